import { causeOfEnd, tellIfTurned } from './connection.js';
import type { PgClient, PgResult } from './pgTypes.js';
import { isOpen, transactionStatus } from './status.js';

type Answer = (error: unknown, result?: PgResult) => void;

/** How `pg` takes a query in; internal to it, and optional therefore. */
interface Queueing {
  readonly constructor: { readonly Query?: new (text: string, values: undefined, callback: Answer) => object };
  readonly _queryQueue?: object[];
  _pulseQueryQueue?(): void;
}

/** Sends one simple query and waits for its answer. When the signal is aborted it stops waiting: the late answer is read and dropped. */
export async function roundTrip(client: PgClient, sql: string, signal: AbortSignal): Promise<PgResult> {
  signal.throwIfAborted();
  const answer = new Promise<PgResult>((resolve, reject) => {
    ask(client, sql, (error, result) => (error ? reject(error) : resolve(result!)));
  });
  return unlessAborted(answer, signal);
}

/** Past the method `query`, which tools replace to see what the app asks: a question of ours would show up as one of its queries. */
function ask(client: PgClient, sql: string, answer: Answer): void {
  const queueing = client as unknown as Queueing;
  const { Query } = queueing.constructor;
  if (Query === undefined || !queueing._queryQueue || !queueing._pulseQueryQueue) return client.query(sql, answer);
  if (!isOpen(client)) return answer(causeOfEnd(client));
  queueing._queryQueue.push(new Query(sql, undefined, answer));
  queueing._pulseQueryQueue();
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
 * A comment, to PostgreSQL an empty query: answered without parsing, planning or a snapshot, also in front of poolers (pgJDBC, pgx and
 * psycopg check this way). The text is for whoever reads the server's log.
 */
const PING = '-- tenure: ping';

/** What a new transaction would be: `on` on a replica, and where the server, the role or the session says so. All versions answer. */
const MAY_WRITE = 'show transaction_read_only';

/** Proves that the session is alive and waits for a query. A session that is busy or inside a transaction is refused. */
export async function ping(client: PgClient, signal: AbortSignal): Promise<void> {
  await askIdle(client, PING, signal);
}

/** The same proof, and whether a new transaction could write. */
export async function isWritable(client: PgClient, signal: AbortSignal): Promise<boolean> {
  const { rows } = await askIdle(client, MAY_WRITE, signal);
  return rows[0]?.transaction_read_only !== 'on';
}

function askIdle(client: PgClient, sql: string, signal: AbortSignal) {
  if (!isOpen(client)) throw causeOfEnd(client);
  const status = transactionStatus(client);
  if (status !== 'idle' && status !== 'unknown')
    throw new Error(`The session cannot be checked: its status is "${status}"`);
  return tellIfTurned(client, () => roundTrip(client, sql, signal));
}
