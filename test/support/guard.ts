import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { plainEnv } from './plainEnv.js';

/**
 * The guard's shell script. It makes the folder, waits for the end of a pipe that only our process holds open, then ends the
 * programs that run in the folder, and removes the folder. Meanwhile it holds a FIFO open, by which others see that the folder is
 * in use, even from another PID namespace.
 */
const GUARD = `
folder=$1
exec 2>&1
umask 077
# Our process may have died before it is told.
trap '' PIPE
[ -d "$folder" ] || mkdir "$folder" || exit
if ! { [ -p "$folder/in-use" ] || mkfifo "$folder/in-use"; } || ! mkdir -p "$folder/programs"; then
  rm -rf "$folder"
  exit
fi
exec 3<> "$folder/in-use"
echo ready
exec > /dev/null 2>&1
cat
# A program that has not registered itself yet cannot do so any more, and does not start.
mv "$folder/programs" "$folder/ending"
command_of() { tr '\\0' ' ' < "/proc/$1/cmdline" || ps -o args= -p "$1"; }
# The command line names the folder: another process may have been given the number since.
is_ours() { case "$(command_of "$1")" in *"$folder"*) ;; *) return 1 ;; esac; }
for file in "$folder"/ending/*; do
  pid=\${file##*/}
  is_ours "$pid" || continue
  kill -s "$(cat "$file")" "$pid"
  for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do is_ours "$pid" && sleep 0.1; done
  # Its children are in its process group, and are not registered.
  kill -s KILL -- "-$pid"
done
for i in 1 2 3 4 5 6 7 8 9 10; do rm -rf "$folder" && break; sleep 0.1; done
`;

/**
 * The command by which a program registers itself before it begins. If our process registered it, and were killed between start
 * and registration, the program would be missed. Arguments: the folder, the signal that ends the program, the command.
 */
export const REGISTER = 'echo "$1" > "$0/programs/$$" && shift && exec "$@"';

/** The file by which a program that runs in the folder is registered. */
export function registrationOf(folder: string, pid: number): string {
  return join(folder, 'programs', String(pid));
}

/** A small shell in a session of its own. It makes a folder, and removes it when this process has ended by any signal. */
export class Guard {
  readonly #shell: ChildProcess;
  readonly #ended: Promise<unknown>;

  private constructor(folder: string) {
    const shell = spawn('sh', ['-c', GUARD, 'guard', folder], {
      detached: true,
      env: plainEnv(),
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    this.#shell = shell;
    this.#ended = once(shell, 'exit');
    this.#ended.catch(() => {});
    // Prevents an uncaught EPIPE when the guard was killed.
    shell.stdin.on('error', () => {});
  }

  /** Resolves when the folder exists. An existing one is taken over. */
  static async start(folder: string): Promise<Guard> {
    const guard = new Guard(folder);
    const shell = guard.#shell;
    let printed = '';
    const ready = new Promise<boolean>((resolve) => {
      shell.stdout!.on('data', (chunk) => {
        printed += chunk;
        if (printed === 'ready\n') resolve(true);
      });
      shell.once('close', () => resolve(false));
    });
    if (!(await ready)) throw new Error(printed);
    shell.unref();
    for (const pipe of [shell.stdin, shell.stdout]) (pipe as Socket).unref();
    return guard;
  }

  /** Removes the folder now, and waits until that is done. May be called twice. */
  async finish(): Promise<void> {
    this.#shell.ref();
    this.#shell.stdin!.end();
    await this.#ended;
  }
}

/** Whether the folder's guard was killed. Opening a FIFO fails when no process holds it open. */
export async function isAbandoned(folder: string): Promise<boolean> {
  try {
    const fifo = await open(join(folder, 'in-use'), constants.O_WRONLY | constants.O_NONBLOCK);
    await fifo.close();
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENXIO';
  }
}
