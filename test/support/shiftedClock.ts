import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** A clock for a server, which can be moved while the server runs: what takes hours then takes no time. */
export interface ShiftedClock extends AsyncDisposable {
  /** For the environment of the server. */
  readonly env: Record<string, string>;
  /** From now on the server's clock is that of this machine plus so many seconds. */
  shift(seconds: number): Promise<void>;
}

/**
 * Whether libfaketime is installed: `describe.skipIf(!hasShiftedClock())`. Prints how to install it when it is not, and fails in
 * CI, where nothing may be skipped.
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

/** @param seconds how far the clock is from this machine's at first */
export async function shiftedClock(seconds: number): Promise<ShiftedClock> {
  const folder = await mkdtemp(join(tmpdir(), 'tenure-clock-'));
  // The server may run as another user.
  await chmod(folder, 0o755);
  const file = join(folder, 'offset');
  const shift = async (to: number) => {
    const next = join(folder, 'next');
    await writeFile(next, `${to < 0 ? '' : '+'}${to}s\n`);
    // At once: a process that reads half of it would have another time.
    await rename(next, file);
  };
  await shift(seconds);
  return {
    env: {
      // The loader puts in the folder of its own architecture.
      LD_PRELOAD: '/usr/$LIB/faketime/libfaketime.so.1',
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      // The server's waits are by the monotonic clock, and as long as ever.
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    },
    shift,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
