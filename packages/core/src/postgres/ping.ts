import type { PgClient } from './pgTypes.js';
import { tellIfTurned } from './readOnly.js';
import { roundTrip } from './roundTrip.js';
import { isOpen, transactionStatus } from './status.js';
import { causeOfEnd } from './watch.js';

/**
 * A comment, to PostgreSQL an empty query: answered without parsing, planning or a snapshot, also in front of poolers (pgJDBC, pgx and
 * psycopg check this way). The text is for whoever reads the server's log.
 */
const PING = '-- tenure: ping';

/** What a new transaction would be: `on` on a replica, and where the server, the role or the session says so. All versions answer. */
const MAY_WRITE = 'show transaction_read_only';

/** Proves that the session is alive and waits for a query. A session that is busy or inside a transaction is refused. */
export async function ping(client: PgClient, signal: AbortSignal): Promise<void> {
  await ask(client, PING, signal);
}

/** The same proof, and whether a new transaction could write. */
export async function isWritable(client: PgClient, signal: AbortSignal): Promise<boolean> {
  const { rows } = await ask(client, MAY_WRITE, signal);
  return rows[0]?.transaction_read_only !== 'on';
}

function ask(client: PgClient, sql: string, signal: AbortSignal) {
  if (!isOpen(client)) throw causeOfEnd(client);
  const status = transactionStatus(client);
  if (status !== 'idle' && status !== 'unknown')
    throw new Error(`The session cannot be checked: its status is "${status}"`);
  return tellIfTurned(client, () => roundTrip(client, sql, signal));
}
