import type { PgClient, PgResult } from './pgTypes.js';

/** Sends one simple query and waits for its answer. When the signal is aborted it stops waiting: the late answer is read and dropped. */
export async function roundTrip(client: PgClient, sql: string, signal: AbortSignal): Promise<PgResult> {
  signal.throwIfAborted();
  const answer = new Promise<PgResult>((resolve, reject) => {
    client.query(sql, (error, result) => (error ? reject(error) : resolve(result!)));
  });
  return unlessAborted(answer, signal);
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
