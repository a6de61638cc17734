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
 * `DISCARD ALL` without `DEALLOCATE ALL` and `DISCARD PLANS`, so that prepared statements stay. Sent as one query, which `DISCARD ALL` itself
 * could not be part of. Settings go back to what they were when the session began, startup options and `ALTER ROLE … SET` included.
 *
 * `RESET ALL` leaves the role alone, and on older servers `SET SESSION AUTHORIZATION DEFAULT` forgets the role that a session began with
 * (npgsql#5997): hence `RESET ROLE`, and only after it.
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

/** What a reset needs of the app. */
export interface ResetOptions<C> extends FinishOptions {
  readonly setUp?: SetUp<C> | undefined;
}

/** Makes a returned session ready for its next borrower, and ends what it is busy with; rejects when it cannot be used again. */
export async function reset<C extends PgClient>(
  client: C,
  mode: ResetMode,
  signal: AbortSignal,
  options: ResetOptions<C> = {},
): Promise<ResetResult> {
  await finish(client, signal, options);
  if (mode === 'settle') return { rolledBack: false };
  const status = transactionStatus(client);
  const environment = mode === 'session' ? connectionOf(client).environment : undefined;
  environment?.resetBegins();
  const statements = [
    // Where nobody can tell whether a transaction is open, a needless ROLLBACK only earns a warning.
    ...(status === 'idle' ? [] : ['ROLLBACK']),
    ...(mode === 'session' ? CLEAR_SESSION : []),
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

/** Runs the app's set-up; a session that it leaves inside a transaction is refused. */
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
 * Waits until the server has answered everything and waits for a query. What follows on the wire decides, not the SQLSTATE of an error: the
 * same code may be raised on a healthy session (57P01, 08P01) and end another.
 */
export async function settle(client: PgClient, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (!isOpen(client)) throw connectionOf(client).causeOfEnd();
  // One that cannot tell answers in order: after its answer to a query of ours nothing is open.
  if (!hasStatus(client)) await roundTrip(client, '', signal);
  else if (isBusy(client)) await answered(client, signal);
}

/**
 * `drain` follows ReadyForQuery when nothing more is queued. It also follows where there is no ReadyForQuery to wait for: after a query that
 * `pg` refused to send.
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
 * How often a session that came back busy is looked at, and how long a cancel has to take effect before it is sent again. ReadyForQuery
 * follows an ordinary error at once.
 */
const LOOK_MS = 200;

/** How long what cannot end by itself may take to end. */
const LIMIT_MS = 1_000;

export interface FinishOptions {
  readonly stream?: CancelOptions['stream'] | undefined;
  /** How long a session may take to answer once it is asked to end what it does. */
  readonly limitMs?: number | undefined;
}

/**
 * Waits until the session is ready for a query, like `settle`. What was sent runs to its end, however long that takes: a transaction that
 * nobody awaited is committed. What cannot end by itself is ended: a cursor or stream that nobody reads, a COPY that gets no data, a query
 * whose caller waits no more.
 *
 * Resolves only when no cancel is under way any more, which could hit the next query. Rejects when one fails, for the same reason, and when
 * the session does not answer within the limit.
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
  while (!(await isThrough(done))) {
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
    // Again and again: a cancel that overtakes its query is lost, and behind the query that it ends another may be waiting.
    if (client._activeQuery) await end(client, over, { stream, limitMs });
  }
}

/** Whether the session will become ready without being asked to. */
function runsByItself(client: PgClient, isMoving: boolean): boolean {
  const { _activeQuery: query } = client;
  // Without one, all that is missing is ReadyForQuery.
  if (!query || connectionOf(client).borrower.isGivenUp(query)) return false;
  return isPlain(client, query) || isMoving || isAttended(query);
}

/** A query of `pg` itself, which reads its answer to the end. */
function isPlain(client: PgClient, query: PgSubmittable): boolean {
  return query.constructor === (client.constructor as { Query?: unknown }).Query;
}

/** A stream that someone reads or feeds, or that has been fed. A cursor is read by calls, which nobody can foresee. */
function isAttended(query: PgSubmittable): boolean {
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
  closePortal(client);
  if (client.processID == null) return;
  const Connection = client.connection!.constructor as PgConnectionClass;
  await withinLimit(systemRuntime, { what: 'A cancel', ms: limitMs, cancelled: over }, (signal) => {
    return cancelRequest(Connection, client, { signal, stream });
  });
}

/** Whether the session settles in time. */
function isThrough(done: Promise<void>): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = systemRuntime.after(LOOK_MS, () => resolve(false));
    done.then(() => resolve(true), reject).finally(() => timer.cancel());
  });
}

/**
 * Between two reads of a cursor the server waits for us, and ignores a cancel, as it does while it waits for the data of a COPY. One that sends
 * data waits until somebody reads it.
 */
function closePortal({ _activeQuery: active }: PgClient): void {
  // A cursor that is closed in the middle of a read never answers it. The cancel ends both.
  if (active?.close && active._cb) return;
  if (active?.close) active.close();
  else if (active?.resume && !active.cursor) active.resume();
  else active?.destroy?.();
}
