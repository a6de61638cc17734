import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** A clock for a server. A test can move it while the server runs, so that hours pass in no time. */
export interface ShiftedClock extends AsyncDisposable {
  /** Variables for the server's environment. */
  readonly env: Record<string, string>;
  /** Sets the server's clock to that of this machine plus so many seconds. */
  shift(seconds: number): Promise<void>;
}

/**
 * Whether libfaketime is installed: `describe.skipIf(!hasShiftedClock())`. If it is not, prints how to install it, and fails in
 * CI, so that no test is skipped there.
 */
export function hasShiftedClock(): boolean {
  const folders = (process.env.PATH ?? '').split(delimiter);
  if (folders.some((folder) => existsSync(join(folder, 'faketime')))) return true;
  if (process.env.CI) throw new Error('libfaketime is not installed: apt-get install faketime');
  console.warn(
    'Skipping the tests that move the clock of a server: libfaketime is not installed: apt-get install faketime',
  );
  return false;
}

/** @param seconds the difference to this machine's clock at first */
export async function shiftedClock(seconds: number): Promise<ShiftedClock> {
  const folder = await mkdtemp(join(tmpdir(), 'tenure-clock-'));
  // The server may run as another user, who must read the file.
  await chmod(folder, 0o755);
  const file = join(folder, 'offset');
  const shift = async (to: number) => {
    const next = join(folder, 'next');
    await writeFile(next, `${to < 0 ? '' : '+'}${to}s\n`);
    // Replaced in one step: a process that reads a part of it would have another time.
    await rename(next, file);
  };
  await shift(seconds);
  return {
    env: {
      // The loader replaces $LIB by the folder of its own architecture.
      LD_PRELOAD: '/usr/$LIB/faketime/libfaketime.so.1',
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      // The server's waits follow the monotonic clock, which stays the real one.
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    },
    shift,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
