import { startPostgres } from '@tenure/test/support/postgres.js';
import type { Outcome } from '../bench.js';
import { versionOf } from '../server.js';
import { recovery } from './recovery.js';

/** Runs in this process, which stops and starts the server: the benchmark measures waiting, not work. */
export async function runRecovery(quick: boolean): Promise<Outcome> {
  console.error('  Starting PostgreSQL …');
  await using server = await startPostgres();
  const report = await recovery(server, quick, (text) => console.error(`  ${text} …`));
  return { report, postgres: await versionOf(server) };
}
