import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';

const SCRIPT = `
folder=$1 pid_file=$2 signal=$3
cat > /dev/null
if pid=$(head -n 1 "$folder/$pid_file" 2> /dev/null) && kill -s "$signal" "$pid" 2> /dev/null; then
  for i in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$pid" 2> /dev/null && sleep 0.1; done
fi
rm -rf "$folder"
`;

/**
 * Cleans up after this process however it ends, SIGKILL included: a small shell, in a session of its own, that waits for
 * the end of a pipe which only we hold open. It then stops the server named in the PID file, and removes the folder.
 * Returns a function that lets the janitor go, to be called when both are done.
 */
export function hireJanitor(folder: string, pidFile: string, signal: 'QUIT' | 'KILL'): () => Promise<void> {
  const shell = spawn('sh', ['-c', SCRIPT, 'janitor', folder, pidFile, signal], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  shell.unref();
  (shell.stdin as Socket).unref();
  const gone = new Promise<void>((resolve) => shell.once('exit', () => resolve()));
  return () => {
    shell.ref();
    shell.stdin.end();
    return gone;
  };
}
