import { parametersOf } from './parameters.js';
import type { PgClient } from './pgTypes.js';

/** A write was refused because the transaction is read-only. */
const REFUSED = '25006';

/** PostgreSQL 14 and later report both at the start, and again right before ReadyForQuery when one has changed. */
const SETTINGS = ['in_hot_standby', 'default_transaction_read_only'];

/** Whom to tell, once, of a session that could write when it was opened. */
const listeners = new WeakMap<PgClient, () => void>();

/** Whether new transactions of this session are read-only; undefined when the server has not said so. */
function isReadOnly(client: PgClient): boolean | undefined {
  const reported = parametersOf(client);
  const values = SETTINGS.map((name) => reported.get(name));
  if (values.includes(undefined)) return undefined;
  return values.includes('on');
}

/**
 * Tells once when a session that can write turns out to be on a server that takes no writes: a write is refused, and by the next
 * ReadyForQuery the server has reported a session that is read-only. One of a transaction that the app declared `READ ONLY` is not: that is the
 * app's error. Neither is a session that was read-only from the start: a replica.
 *
 * A report alone does not tell, for the app may have changed the setting itself; see `tellIfTurned`.
 */
export function watchForReadOnly(client: PgClient, onReadOnly: () => void): void {
  const { connection } = client;
  if (connection === undefined || isReadOnly(client) !== false) return;
  listeners.set(client, onReadOnly);
  connection.on('errorMessage', ({ code }) => {
    if (code === REFUSED && listeners.has(client)) connection.once('readyForQuery', () => tellIfReadOnly(client));
  });
}

/** Runs a query of our own. If the session turns read-only meanwhile, the app has not done it, and no write need fail first. */
export async function tellIfTurned<T>(client: PgClient, query: () => Promise<T>): Promise<T> {
  const couldWrite = isReadOnly(client) === false;
  const answer = await query();
  if (couldWrite) tellIfReadOnly(client);
  return answer;
}

function tellIfReadOnly(client: PgClient): void {
  if (!isReadOnly(client)) return;
  const tell = listeners.get(client);
  listeners.delete(client);
  tell?.();
}
