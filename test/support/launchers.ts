import { readFileSync, writeSync } from 'node:fs';

const EVERY_MS = 500;

/**
 * Calls back once when npx or pnpm, which started this process, has ended. npx does not pass SIGTERM on, and no program can pass
 * SIGKILL on, so this process would otherwise outlive the command. Looks twice a second, on Linux; does not keep the process
 * alive.
 */
export function watchLaunchers(onGone: () => void): void {
  const launchers = launchersOf(process.ppid);
  const timer = setInterval(() => {
    if (launchers.every(isAlive)) return;
    clearInterval(timer);
    onGone();
  }, EVERY_MS);
  timer.unref();
}

/** Ends this process when npx or pnpm, which started it, has ended. */
export function endWithLaunchers(): void {
  watchLaunchers(() => {
    // Written at once: Vitest does not write a stream any more that it has taken over.
    writeSync(2, 'The command that started this has ended, and so does this.\n');
    process.kill(process.pid, 'SIGTERM');
  });
}

/** Matches `npm exec pnpm start`, as npx calls itself, `pnpm start` and `node …/pnpm start`; not a shell that has started one of them. */
const LAUNCHER = /^(npm|npx|\S*pnpm) |^\S*node \S*\/(npm|npx|pnpm)(-cli)?(\.[cm]?js)? /;

function launchersOf(pid: number): number[] {
  if (pid <= 1) return [];
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
    const parent = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
    return [...(LAUNCHER.test(command) ? [pid] : []), ...launchersOf(parent)];
  } catch {
    return [];
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
