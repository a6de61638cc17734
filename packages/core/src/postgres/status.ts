import type { SessionStatus } from '../errors.js';
import type { PgClient } from './pgTypes.js';

/** Whether the connection looks open. A bare FIN shows only in the stream: the client hears of it later. */
export function isOpen(client: PgClient): boolean {
  if (client._queryable === false || client._ending || client._ended) return false;
  const stream = client.connection?.stream;
  return stream === undefined || (stream.readable && stream.writable);
}

/** What the session is doing. `unknown` when it is over, and for a client that cannot tell, such as the native one. */
export function transactionStatus(client: PgClient): SessionStatus {
  if (!tellsStatus(client) || !isOpen(client)) return 'unknown';
  return isBusy(client) ? 'active' : openTransaction(client);
}

/** Whether the client can tell what its session is doing. */
export function tellsStatus(client: PgClient): boolean {
  return client.getTransactionStatus !== undefined && client.readyForQuery !== undefined;
}

/**
 * Whether an answer is still to come or a query still to be sent. Everything that `pg` reports before the server is done counts: an error
 * whose ReadyForQuery has not been read, a query that only the client gave up on (`query_timeout`), a cursor between two reads.
 */
export function isBusy(client: PgClient): boolean {
  if (client.readyForQuery !== true || client._activeQuery) return true;
  return isFilled(client._queryQueue) || isFilled(client._sentQueryQueue);
}

function isFilled(queue: readonly object[] | undefined): boolean {
  return queue !== undefined && queue.length > 0;
}

/** The status in the last ReadyForQuery; stale while the client is busy. */
function openTransaction(client: PgClient): SessionStatus {
  switch (client.getTransactionStatus?.()) {
    case 'I':
      return 'idle';
    case 'T':
      return 'transaction';
    case 'E':
      return 'failed-transaction';
    default:
      return 'unknown';
  }
}
