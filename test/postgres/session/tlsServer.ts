import { chown, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PostgresServer } from '../../support/postgres.js';
import { selfSigned } from './certificate.js';

/** Turns TLS on, with a certificate for `localhost` that signs itself. Returns the certificate. */
export async function turnTlsOn(postgres: PostgresServer): Promise<string> {
  const { certificate, key } = selfSigned('localhost');
  const [row] = await postgres.admin<{ folder: string }>(`select current_setting('data_directory') as folder`);
  const folder = row?.folder ?? '';
  await writeForServer(join(folder, 'server.crt'), certificate);
  await writeForServer(join(folder, 'server.key'), key);
  await postgres.admin('alter system set ssl = on');
  await postgres.admin('select pg_reload_conf()');
  return certificate;
}

/** The server reads a key only if it is its owner's alone. */
async function writeForServer(path: string, content: string): Promise<void> {
  await writeFile(path, content, { mode: 0o600 });
  const { uid, gid } = await stat(join(path, '..'));
  await chown(path, uid, gid);
}
