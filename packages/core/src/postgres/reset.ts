import { systemRuntime } from '../pool/clock.js';
import type { ResetMode, ResetResult } from '../pool/connector.js';
import { TimeLimitError, withinLimit } from '../pool/timeLimit.js';
import { type CancelOptions, cancelRequest, type PgConnectionClass } from './cancel.js';
import { connectionOf } from './connection.js';
import { SessionStatusError } from './failures.js';
import type { PgClient, PgSubmittable } from './pgTypes.js';
import { hasStatus, isBusy, isOpen, roundTrip, transactionStatus, unlessAborted } from './session.js';

/** The app's own preparation of a session: settings, search path, temporary tables. */
export type SetUp<C> = (client: C) => unknown;

/**
 * `DISCARD ALL` without `DEALLOCATE ALL` and `DISCARD PLANS`, so that prepared statements stay. These can be sent as one query;
 * `DISCARD ALL` cannot be part of one. Settings return to their values at the start of the session, including startup options and
 * `ALTER ROLE … SET`.
 *
 * `RESET ALL` does not reset the role, and on older servers `SET SESSION AUTHORIZATION DEFAULT` loses the role that a session
 * began with (npgsql#5997). So `RESET ROLE` is needed, and must come after it.
 */
export const CLEAR_SESSION = [
  'CLOSE ALL',
  'SET SESSION AUTHORIZATION DEFAULT',
  'RESET ROLE',
  'RESET ALL',
  'UNLISTEN *',
  'SELECT pg_advisory_unlock_all()',
  'DISCARD TEMP',
  'DISCARD SEQUENCES',
];

const NOTHING_KEPT = { environment: undefined, locks: undefined };

export interface ResetOptions<C> extends FinishOptions {
  readonly setUp?: SetUp<C> | undefined;
}

/** Ends the queries of a returned session, and makes it ready for its next borrower. Rejects when it cannot be used again. */
export async function reset<C extends PgClient>(
  client: C,
  mode: ResetMode,
  signal: AbortSignal,
  options: ResetOptions<C> = {},
): Promise<ResetResult> {
  await finish(client, signal, options);
  if (mode === 'settle') return { rolledBack: false };
  const status = transactionStatus(client);
  const { environment, locks } = mode === 'session' ? connectionOf(client) : NOTHING_KEPT;
  environment?.resetBegins();
  const statements = [
    // If the pool cannot see whether a transaction is open, it sends ROLLBACK: a needless one costs only a warning in the server's log.
    ...(status === 'idle' ? [] : ['ROLLBACK']),
    ...(mode === 'session' ? (locks?.kept(CLEAR_SESSION) ?? CLEAR_SESSION) : []),
  ];
  if (statements.length > 0) {
    await roundTrip(client, statements.join('; '), signal);
    await untilIdle(client, signal);
  }
  environment?.setUpBegins();
  if (mode === 'session' && options.setUp) await runSetUp(client, options.setUp, signal);
  environment?.resetEnds();
  return { rolledBack: status === 'transaction' || status === 'failed-transaction' };
}

/** Runs the app's set-up. A session that it leaves inside a transaction is refused. */
export async function runSetUp<C extends PgClient>(client: C, setUp: SetUp<C>, signal: AbortSignal): Promise<void> {
  await unlessAborted(Promise.resolve(setUp(client)), signal);
  await untilIdle(client, signal);
}

async function untilIdle(client: PgClient, signal: AbortSignal): Promise<void> {
  await settle(client, signal);
  const status = transactionStatus(client);
  if (status !== 'idle' && status !== 'unknown') throw new SessionStatusError('The session is not ready', status);
}

/**
 * Waits until the server has answered everything and is ready for a query. An error is judged by the message that follows it, not
 * by its SQLSTATE: a code such as 57P01 or 08P01 may end one session, and be raised on another that stays healthy.
 */
export async function settle(client: PgClient, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (!isOpen(client)) throw connectionOf(client).causeOfEnd();
  // A client without status answers in order: after its answer to Tenure's query nothing is in flight.
  if (!hasStatus(client)) await roundTrip(client, '', signal);
  else if (isBusy(client)) await answered(client, signal);
}

/**
 * Resolves at `drain`. `pg` emits it at ReadyForQuery when nothing more is queued, and also after a query that it refused to
 * send, which no ReadyForQuery follows.
 */
function answered(client: PgClient, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stopListening = () => {
      client.removeListener('drain', onDrain);
      client.removeListener('error', onEnd);
      client.removeListener('end', onEnd);
      signal.removeEventListener('abort', onAbort);
    };
    const onDrain = () => {
      // Another listener may have sent the next query.
      if (isBusy(client)) return;
      stopListening();
      resolve();
    };
    const onEnd = () => {
      stopListening();
      reject(connectionOf(client).causeOfEnd());
    };
    const onAbort = () => {
      stopListening();
      reject(signal.reason);
    };
    client.on('drain', onDrain);
    client.on('error', onEnd);
    client.on('end', onEnd);
    signal.addEventListener('abort', onAbort);
  });
}

/**
 * How often a session that was returned busy is checked, and how long a cancel has to take effect before it is sent again.
 * ReadyForQuery follows an ordinary error at once.
 */
const CHECK_EVERY_MS = 200;

/** How long a query that cannot end by itself may take to end after its cancel. */
const LIMIT_MS = 1_000;

export interface FinishOptions {
  readonly stream?: CancelOptions['stream'] | undefined;
  /** How long a session may take to answer after its query was cancelled, in milliseconds. Default: 1000. */
  readonly limitMs?: number | undefined;
}

/**
 * Waits until the session is ready for a query, like `settle`. Queries that were sent run to their end, however long that takes,
 * so a transaction is committed although the app has not awaited it. A query that cannot end by itself is ended: a cursor or stream without a
 * reader, a COPY without data, a query whose caller has stopped waiting.
 *
 * Resolves only when no cancel is in flight, since that could hit the next query. Rejects for the same reason when a cancel
 * fails, and when the session does not answer within the limit.
 */
export async function finish(
  client: PgClient,
  signal: AbortSignal,
  { stream, limitMs = LIMIT_MS }: FinishOptions = {},
): Promise<void> {
  const connection = connectionOf(client);
  const done = settle(client, signal).finally(() => connection.borrower.settled());
  if (!isBusy(client) || client.connection === undefined) return done;
  connection.silenceQueries();
  const ended = new AbortController();
  done.catch((cause) => ended.abort(cause));
  const over = AbortSignal.any([signal, ended.signal]);
  let traffic = trafficOf(client);
  let endingSince: number | undefined;
  while (!(await settlesSoon(done))) {
    const before = traffic;
    traffic = trafficOf(client);
    if (runsByItself(client, traffic !== before)) {
      endingSince = undefined;
      continue;
    }
    const now = systemRuntime.now();
    endingSince ??= now;
    if (now - endingSince >= limitMs)
      throw new TimeLimitError('Ending what a returned connection was left with', limitMs);
    // Repeated: a cancel that overtakes its query is lost, and another query may be queued behind the one that it ends.
    if (client._activeQuery) await end(client, over, { stream, limitMs });
  }
}

/** Whether the session will become ready without a cancel. */
function runsByItself(client: PgClient, isMoving: boolean): boolean {
  const { _activeQuery: query } = client;
  // If no query is active, only ReadyForQuery is missing.
  if (!query || connectionOf(client).borrower.isGivenUp(query)) return false;
  return isPlain(client, query) || isMoving || hasReaderOrSource(query);
}

/** Whether it is a query of `pg`'s own class, which reads its answer to the end. */
function isPlain(client: PgClient, query: PgSubmittable): boolean {
  return query.constructor === (client.constructor as { Query?: unknown }).Query;
}

/** Whether a stream has a reader or a source, or its data is complete. A cursor has none of these: it is read by calls. */
function hasReaderOrSource(query: PgSubmittable): boolean {
  const events = ['data', 'readable', 'unpipe'];
  return query.writableEnded === true || events.some((event) => (query.listenerCount?.(event) ?? 0) > 0);
}

function trafficOf({ connection }: PgClient): number {
  const { bytesRead = 0, bytesWritten = 0 } = connection?.stream ?? {};
  return bytesRead + bytesWritten;
}

interface Ending {
  readonly stream: CancelOptions['stream'] | undefined;
  readonly limitMs: number;
}

async function end(client: PgClient, over: AbortSignal, { stream, limitMs }: Ending): Promise<void> {
  endWaiting(client);
  if (client.processID == null) return;
  const Connection = client.connection!.constructor as PgConnectionClass;
  await withinLimit(systemRuntime, { what: 'A cancel', ms: limitMs, cancelled: over }, (signal) => {
    return cancelRequest(Connection, client, { signal, stream });
  });
}

/** Whether the session is ready before the next check. */
function settlesSoon(done: Promise<void>): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = systemRuntime.after(CHECK_EVERY_MS, () => resolve(false));
    done.then(() => resolve(true), reject).finally(() => timer.cancel());
  });
}

/**
 * Ends a query that waits for the client. Between two reads of a cursor, and while it waits for the data of a COPY, the server
 * ignores a cancel. A server that sends data waits until the client reads it.
 */
function endWaiting({ _activeQuery: active }: PgClient): void {
  // A cursor that is closed in the middle of a read never answers that read. The cancel ends both.
  if (active?.close && active._cb) return;
  if (active?.close) active.close();
  else if (active?.resume && !active.cursor) active.resume();
  else active?.destroy?.();
}
