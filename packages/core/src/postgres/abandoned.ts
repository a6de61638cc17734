import { type CancelOptions, cancelRequest, type PgConnectionClass } from './cancel.js';
import type { PgClient } from './pgTypes.js';
import { settle } from './settle.js';
import { isBusy } from './status.js';

/**
 * How long a session that comes back busy may go on, and how long a cancel has to take effect before it is sent again. ReadyForQuery follows
 * an ordinary error at once. The rest is for callers who give a client back without waiting for their last query: with pg-pool it runs to its
 * end, so a short one must not be cancelled here. It stays well below `healthTimeoutMs`, after which the engine drops the connection.
 */
const GRACE_MS = 200;

/**
 * Waits until the session is ready for a query, like `settle`, and ends what it was left with: a query that its caller gave up on, a cursor
 * that nobody reads.
 *
 * Resolves only when no cancel is under way any more, which could hit the next query. Rejects when one fails, for the same reason.
 */
export async function endAbandoned(
  client: PgClient,
  signal: AbortSignal,
  stream?: CancelOptions['stream'],
): Promise<void> {
  const settled = settle(client, signal);
  if (!isBusy(client) || client.connection === undefined || client.processID == null) return settled;
  const Connection = client.connection.constructor as PgConnectionClass;
  const ended = new AbortController();
  settled.catch((cause) => ended.abort(cause));
  const over = AbortSignal.any([signal, ended.signal]);
  // Again and again: a cancel that overtakes its query is lost, and behind the query that it ends another may be waiting.
  while (!(await isThrough(settled))) {
    closePortal(client);
    await cancelRequest(Connection, client, { signal: over, stream });
  }
}

/** Whether the session settles in time. */
function isThrough(settled: Promise<void>): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(false), GRACE_MS);
    const stop = () => clearTimeout(timer);
    settled.then(() => resolve(true), reject).finally(stop);
  });
}

/** Between two reads of a cursor the server waits for us, and ignores a cancel. A cursor has `close`, a stream `destroy`, a query neither. */
function closePortal({ _activeQuery: active }: PgClient): void {
  if (active?.close) active.close();
  else active?.destroy?.();
}
