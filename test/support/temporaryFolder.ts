import { type ChildProcess, execFile, type SpawnOptions, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { CannotStartError, describeCause } from './cannotStart.js';
import { Guard, isAbandoned, REGISTER, registrationOf } from './guard.js';
import { plainEnv } from './plainEnv.js';

/** The user that a program runs as, if not the user of this process. */
export interface UserId {
  readonly uid: number;
  readonly gid: number;
}

export interface ProgramOptions extends Pick<SpawnOptions, 'env' | 'stdio'> {
  /** The signal that ends it when this process has died. Default: SIGKILL. */
  endSignal?: 'QUIT' | 'KILL';
}

const KINDS = ['postgres', 'pgbouncer', 'build', 'prisma', 'test'] as const;
const OURS = new RegExp(`^tenure-(${KINDS.join('|')})-[0-9a-f]{12}$`);

const live = new Set<TemporaryFolder>();

/**
 * A folder below the system's temporary folder, with the programs that run in it. When this process ends, even by SIGKILL, its
 * guard ends the programs and removes the folder. If the guard was killed as well, the next new folder does that.
 */
export class TemporaryFolder implements AsyncDisposable {
  readonly path: string;
  readonly #guard: Guard;
  readonly #user: UserId | undefined;

  private constructor(path: string, guard: Guard, user: UserId | undefined) {
    this.path = path;
    this.#guard = guard;
    this.#user = user;
    live.add(this);
  }

  /**
   * @param kind the purpose of the folder; a part of its name
   * @param user owner of the folder, who runs the programs in it; default: the user of this process
   * @throws CannotStartError when no folder can be made, with the cause and what to do
   */
  static async make(kind: (typeof KINDS)[number], user?: UserId): Promise<TemporaryFolder> {
    await removeAbandoned(user?.uid ?? process.getuid?.());
    try {
      const path = join(tmpdir(), `tenure-${kind}-${randomBytes(6).toString('hex')}`);
      const guard = await Guard.start(path);
      const folder = new TemporaryFolder(path, guard, user);
      await folder.#handOver().catch(async (error) => {
        await folder.remove();
        throw error;
      });
      return folder;
    } catch (error) {
      throw new CannotStartError(`No folder can be made below the temporary folder ${tmpdir()}`, describeCause(error));
    }
  }

  async #handOver(): Promise<void> {
    await this.own(this.path);
    const trial = await this.start('true', [], { env: plainEnv(), stdio: ['ignore', 'ignore', 'pipe'] });
    const [printed, [code]] = await Promise.all([text(trial.stderr!), once(trial, 'exit')]);
    if (code !== 0) throw new Error(printed);
  }

  /** Makes the folder's user the owner of the path, and of all below it. */
  async own(path: string): Promise<void> {
    if (this.#user)
      await promisify(execFile)('chown', ['-R', `${this.#user.uid}:${this.#user.gid}`, path], { env: plainEnv() });
  }

  /** Starts a program in the folder, as the folder's user. */
  async start(
    command: string,
    args: readonly string[],
    { endSignal = 'KILL', ...options }: ProgramOptions = {},
  ): Promise<ChildProcess> {
    const program = spawn('sh', ['-c', REGISTER, this.path, endSignal, command, ...args], {
      ...options,
      ...this.#user,
      cwd: this.path,
      // It leads a process group, so that its children can be ended with it.
      detached: true,
    });
    await once(program, 'spawn');
    program.once('exit', () => rm(registrationOf(this.path, program.pid!), { force: true }).catch(() => {}));
    return program;
  }

  /** Ends all programs in the folder and removes it. May be called twice. */
  async remove(): Promise<void> {
    await this.#guard.finish();
    live.delete(this);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.remove();
  }
}

/** Removes every folder that this process has made, and ends the programs in them. */
export async function removeTemporaryFolders(): Promise<void> {
  await Promise.all([...live].map((folder) => folder.remove()));
}

/** Removes the folders of processes that were killed together with their guards. */
async function removeAbandoned(owner: number | undefined): Promise<void> {
  const base = tmpdir();
  const names = await readdir(base).catch(() => []);
  for (const name of names.filter((name) => OURS.test(name))) {
    const path = join(base, name);
    const found = await stat(path).catch(() => undefined);
    if (found?.uid !== owner || !found?.isDirectory()) continue;
    if (await isAbandoned(path)) await (await Guard.start(path)).finish();
  }
}
