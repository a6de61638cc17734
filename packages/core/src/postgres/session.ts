import type { SessionStatus } from '../errors.js';
import { connectionOf } from './connection.js';
import { SessionStatusError } from './failures.js';
import type { PgClient, PgResult } from './pgTypes.js';

/** Whether the connection looks open. A bare FIN shows only in the stream, before the client emits its end. */
export function isOpen(client: PgClient): boolean {
  if (client._queryable === false || client._ending || client._ended) return false;
  const stream = client.connection?.stream;
  return stream === undefined || (stream.readable && stream.writable);
}

/** The state of the session's transaction. `unknown` when it has ended, and for a client without status, such as the native one. */
export function transactionStatus(client: PgClient): SessionStatus {
  if (!hasStatus(client) || !isOpen(client)) return 'unknown';
  return isBusy(client) ? 'active' : lastReportedStatus(client);
}

/** Whether the client has the status of its session. */
export function hasStatus(client: PgClient): boolean {
  return client.getTransactionStatus !== undefined && client.readyForQuery !== undefined;
}

/**
 * Whether an answer is still to come or a query still to be sent. A session stays busy after `pg` has called back, until
 * ReadyForQuery. Examples: an error whose ReadyForQuery has not been read, a query that only the client gave up on
 * (`query_timeout`), a cursor between two reads.
 */
export function isBusy(client: PgClient): boolean {
  if (client.readyForQuery !== true || client._activeQuery) return true;
  return isFilled(client._queryQueue) || isFilled(client._sentQueryQueue);
}

function isFilled(queue: readonly object[] | undefined): boolean {
  return queue !== undefined && queue.length > 0;
}

/** The status in the last ReadyForQuery; outdated while the client is busy. */
function lastReportedStatus(client: PgClient): SessionStatus {
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

type Answer = (error: unknown, result?: PgResult) => void;
type QueryClass = new (text: string, values: undefined, callback: Answer) => object;

/** Sends one simple query and waits for its answer. Stops waiting when the signal is aborted: a late answer is read and dropped. */
export async function roundTrip(client: PgClient, sql: string, signal: AbortSignal): Promise<PgResult> {
  signal.throwIfAborted();
  const answer = new Promise<PgResult>((resolve, reject) => {
    send(client, sql, (error, result) => (error ? reject(error) : resolve(result!)));
  });
  return unlessAborted(answer, signal);
}

/** Sends a query without the method `query`, which tools replace to see the app's queries: Tenure's would be among them. */
function send(client: PgClient, sql: string, answer: Answer): void {
  const { Query } = client.constructor as { Query?: QueryClass };
  if (Query === undefined || !client._queryQueue || !client._pulseQueryQueue) return client.query(sql, answer);
  if (!isOpen(client)) return answer(connectionOf(client).causeOfEnd());
  client._queryQueue.push(new Query(sql, undefined, answer));
  client._pulseQueryQueue();
}

/** The outcome of a promise, or the signal's reason if that comes first. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort);
  });
}

/**
 * A comment, which is an empty query to PostgreSQL: answered without parsing, planning or a snapshot, also by poolers (pgJDBC,
 * pgx and psycopg check this way). Its text is for readers of the server's log.
 */
const PING = '-- tenure: ping';

/** Whether a new transaction is read-only: `on` for a replica, and if the server, the role or the session sets it. All versions have it. */
const IS_READ_ONLY = 'show transaction_read_only';

/** Proves that the session is alive and waits for a query. Rejects when it is busy or inside a transaction. */
export async function ping(client: PgClient, signal: AbortSignal): Promise<void> {
  await checkIdle(client, PING, signal);
}

/** The same proof, and whether a new transaction could write. */
export async function isWritable(client: PgClient, signal: AbortSignal): Promise<boolean> {
  const { rows } = await checkIdle(client, IS_READ_ONLY, signal);
  return rows[0]?.transaction_read_only !== 'on';
}

function checkIdle(client: PgClient, sql: string, signal: AbortSignal): Promise<PgResult> {
  const connection = connectionOf(client);
  if (!isOpen(client)) throw connection.causeOfEnd();
  const status = transactionStatus(client);
  if (status !== 'idle' && status !== 'unknown') throw new SessionStatusError('The session cannot be checked', status);
  return connection.ownQuery(() => roundTrip(client, sql, signal));
}
