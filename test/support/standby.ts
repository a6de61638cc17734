import { chown, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PostgresServer } from './postgres.js';

/** Restarts a server as a hot standby, which takes no writes, or as a primary again. */
export async function restartAsStandby(
  postgres: Pick<PostgresServer, 'admin' | 'stopServer' | 'startServer'>,
  isStandby: boolean,
): Promise<void> {
  const [row] = await postgres.admin<{ folder: string }>(`select current_setting('data_directory') as folder`);
  await postgres.stopServer();
  const signal = join(row!.folder, 'standby.signal');
  await rm(signal, { force: true });
  if (isStandby) {
    await writeFile(signal, '');
    // Root has made the file, but the server runs as another user.
    const { uid, gid } = await stat(row!.folder);
    await chown(signal, uid, gid);
  }
  await postgres.startServer();
}
