import type { PgClient } from './pgTypes.js';
import { roundTrip } from './roundTrip.js';
import { isOpen, transactionStatus } from './status.js';
import { causeOfEnd } from './watch.js';

/**
 * A comment, to PostgreSQL an empty query: answered without parsing, planning or a snapshot, also in front of poolers (pgJDBC, pgx and
 * psycopg check this way). The text is for whoever reads the server's log.
 */
const PING = '-- tenure: ping';

/** Proves that the session is alive and waits for a query. A session that is busy or inside a transaction is refused. */
export async function ping(client: PgClient, signal: AbortSignal): Promise<void> {
  if (!isOpen(client)) throw causeOfEnd(client);
  const status = transactionStatus(client);
  if (status !== 'idle' && status !== 'unknown')
    throw new Error(`The session cannot be checked: its status is "${status}"`);
  await roundTrip(client, PING, signal);
}
