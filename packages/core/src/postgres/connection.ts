import { soon } from '../pool/clock.js';
import { EndedByAppError, noteFullServer } from './failures.js';
import { gateOf } from './gate.js';
import { guardParser } from './parserGuard.js';
import type { PgClient, PgConnection } from './pgTypes.js';
import { type PreparingClient, wrapMethod } from './statements/pgInternals.js';

/** What is known of a client's end. Kept here because nothing is written on the client itself. */
interface Life {
  /** The last error the server sent and did not follow with ReadyForQuery: the reason, if the connection ends now. */
  lastWord: Error | undefined;
  /** Why it ended; the first cause counts. */
  cause: Error | undefined;
  /** What `pg` said of the end, by the client's event `error`. */
  error: Error | undefined;
  /** When it had been opened, by `performance.now()`. */
  openedAt: number;
  /** Who wants to hear of its end. Nobody, once it has been reported, or we asked for it. */
  onLost: ((cause?: Error) => void) | undefined;
}

const lives = new WeakMap<PgClient, Life>();

/**
 * Listens to a client for the rest of its life: none of its errors is ever an uncaught one, not even after retirement. Best before it connects,
 * since the server tells some things only at the start.
 */
export function observe(client: PgClient): void {
  if (lives.has(client)) return;
  const life: Life = {
    lastWord: undefined,
    cause: undefined,
    error: undefined,
    openedAt: Number.POSITIVE_INFINITY,
    onLost: undefined,
  };
  lives.set(client, life);
  client.on('error', (error) => {
    life.error ??= error;
    end(client, life, error);
  });
  client.on('end', () => end(client, life, client._ending ? new EndedByAppError() : undefined));
  if (client.connection) {
    guardParser(client.connection);
    rememberLastWord(client.connection, life);
  }
  gateOf(client);
  noteParameters(client);
  noteFullServer(client);
  keepAlive(client);
}

/**
 * Tells what becomes of a client that has been opened, for the rest of its life.
 *
 * @param onLost called once if the connection ends without being asked to by `close` or `abort`
 * @param onReadOnly called once if it can write now, and its server stops taking writes
 */
export function watch(client: PgClient, onLost: (cause?: Error) => void, onReadOnly: () => void = () => {}): void {
  observe(client);
  const life = lives.get(client)!;
  life.onLost = onLost;
  life.openedAt = performance.now();
  watchForReadOnly(client, onReadOnly);
  // It may have ended before we began to listen; then no event will tell.
  if (client._ended || client._queryable === false) soon(() => end(client, life));
}

function end(client: PgClient, life: Life, error?: Error): void {
  const { onLost } = life;
  if (life.cause === undefined) {
    life.cause = life.lastWord ?? error;
    if (life.cause && !(life.cause instanceof EndedByAppError)) explainEnd(client, life.cause);
  }
  // `pg` gives this very error to the queries that were still in its queue, in the next tick.
  if (life.cause) addCause(error, life.cause);
  life.onLost = undefined;
  onLost?.(life.cause);
}

/**
 * `pg` gives a FATAL error to the query it interrupts, and says of the connection only that it "terminated unexpectedly". Whether an error
 * is fatal is not in the message (its severity is translated), but in what follows: ReadyForQuery, or the end.
 */
function rememberLastWord(connection: PgConnection, life: Life): void {
  const forget = () => {
    life.lastWord = undefined;
  };
  connection.on('errorMessage', (error) => {
    life.lastWord = error;
    connection.once('readyForQuery', forget);
  });
}

/** From now on the end of this connection is what we asked for. */
export function expectEnd(client: PgClient): void {
  const life = lives.get(client);
  if (life) life.onLost = undefined;
}

/** How many milliseconds ago a client was opened; none before that, and none while this process was frozen. */
export function ageOf(client: PgClient): number {
  const openedAt = lives.get(client)?.openedAt ?? Number.POSITIVE_INFINITY;
  return Math.max(0, performance.now() - openedAt);
}

/**
 * The error that `pg` emitted when this client's connection ended, if it has emitted one. Its `cause` is that of `causeOfEnd`, or it is the
 * same error.
 */
export function errorOfEnd(client: PgClient): Error | undefined {
  return lives.get(client)?.error;
}

/** Why a connection that is not open any more has ended. */
export function causeOfEnd(client: PgClient): Error {
  const life = lives.get(client);
  const known = life?.cause ?? life?.lastWord;
  if (known) return known;
  return client._ending ? new EndedByAppError() : new Error('The connection has ended');
}

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
function watchForReadOnly(client: PgClient, onReadOnly: () => void): void {
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

const reported = new WeakMap<PgClient, Map<string, string>>();

/** Notes what settings the server reports. To be called before the client connects: what has been reported is not reported again. */
export function noteParameters(client: PgClient): void {
  const values = new Map<string, string>();
  reported.set(client, values);
  client.connection?.on('parameterStatus', ({ parameterName, parameterValue }) => {
    values.set(parameterName, parameterValue);
  });
}

/** The settings that the server has reported, and reports again when they change; none where that cannot be told. */
export function parametersOf(client: PgClient): ReadonlyMap<string, string> {
  return reported.get(client) ?? new Map();
}

/** When the first probe is sent on a silent connection. The default of most systems, two hours, outlives every NAT entry. */
const FIRST_PROBE_MS = 60_000;

/** Turns TCP keepalive on, which `pg` leaves off, so that the system notices a peer that is gone. What the app chose itself stays. */
function keepAlive({ connection, connectionParameters }: PgClient): void {
  if (connectionParameters?.keepalives !== undefined) return;
  const chosenSeconds = connectionParameters?.keepalives_idle;
  connection?.stream.setKeepAlive?.(true, chosenSeconds ? chosenSeconds * 1000 : FIRST_PROBE_MS);
}

type Callback = (error: unknown, ...rest: unknown[]) => unknown;

/**
 * Gives an error that `pg` makes up for a session which has ended (`not queryable`, `Connection terminated unexpectedly`) the reason of that
 * end as its `cause`. One that has a cause, or is the reason itself, stays as it is.
 */
function addCause(error: unknown, cause: Error): void {
  if (!(error instanceof Error) || error === cause || error.cause !== undefined) return;
  Object.defineProperty(error, 'cause', { value: cause, configurable: true, writable: true });
}

/** From now on each query that is sent to this client, which has ended, fails with `cause` as the `cause` of its error, in all forms of `query`. */
function explainEnd(client: object, cause: Error): void {
  const because =
    (callback: Callback): Callback =>
    (error, ...rest) => {
      addCause(error, cause);
      return callback(error, ...rest);
    };
  wrapMethod(client as PreparingClient, 'query', (original) => (...given) => {
    const args = given.map((arg) => (typeof arg === 'function' ? because(arg as Callback) : arg));
    const config = given[0] as { callback?: unknown; submit?: unknown; handleError?: Callback } | null | undefined;
    if (typeof config?.submit === 'function') {
      config.handleError = because((config.handleError as Callback).bind(config));
    } else if (typeof config?.callback === 'function') {
      args[0] = { ...config, callback: because(config.callback as Callback) };
    }
    const result = original().apply(client as PreparingClient, args);
    // Before the caller's own handlers: the error that they get is the same object.
    if (result instanceof Promise) result.catch((error) => addCause(error, cause));
    return result;
  });
}
