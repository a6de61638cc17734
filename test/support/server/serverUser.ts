import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { CannotStartError } from '../cannotStart.js';
import type { UserId } from '../temporaryFolder.js';

export interface ServerUser extends UserId {
  readonly name: string;
}

/** Every machine has the user `nobody`, so none must be created. */
const CANDIDATES = ['postgres', 'nobody'];

/** The user that a server runs as, because PostgreSQL and PgBouncer refuse to run as root. Undefined for the user of this process. */
export async function serverUser(): Promise<ServerUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of CANDIDATES) {
    const [uid, gid] = await Promise.all([idOf('-u', name), idOf('-g', name)]);
    // An unknown name gives NaN, and a user may be root under another name.
    if (uid > 0 && gid >= 0) return { name, uid, gid };
  }
  throw new CannotStartError(
    'PostgreSQL cannot be started as root',
    `it refuses to run as root, and there is no user ${CANDIDATES.join(' and no user ')} to run it as. Create one (useradd postgres), or run the command as an ordinary user.`,
  );
}

async function idOf(flag: '-u' | '-g', name: string): Promise<number> {
  const { stdout } = await promisify(execFile)('id', [flag, name]).catch(() => ({ stdout: 'unknown' }));
  return Number.parseInt(stdout, 10);
}
