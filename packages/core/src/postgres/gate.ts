import { TenureUsageError } from '../errors.js';
import { nextTick } from '../pool/clock.js';
import type { PgClient, PgSubmittable } from './pgTypes.js';
import { wrapMethod } from './statements/pgInternals.js';

/** What has come through a client's method `query` during one checkout. */
export interface Gate {
  /** How many queries. */
  queries: number;
  /** The first of them, as it was given. */
  first: unknown;
  /** One was sent inside a transaction. */
  sawTransaction: boolean;
  /** The one who took the client is the pool itself, for its method `query`. */
  isPoolQuery: boolean;
  /** The transaction that the client's last borrower ran is over: what is still sent for it is refused. */
  isShut: boolean;
  /** The borrower's statement failed, and may have left something: nothing of this session may reach the next one. */
  isSpent: boolean;
  /** A setting with a name of the app's own may have been made on the session, at any time: see `MAKES_SETTING`. */
  hasOwnSettings: boolean;
  /** The client is back in its pool, where it does not keep the process alive. */
  isResting: boolean;
  /** A query that was sent while it rests keeps the process alive. */
  isAwaited: boolean;
  /** The app has been told that the client is gone. */
  isGone: boolean;
  /** The errors that statements of this client were answered with. */
  readonly answers: WeakSet<object>;
}

type Query = PgSubmittable & { callback?: unknown; handleError?(error: Error, connection: unknown): void };
type Call = (...args: unknown[]) => unknown;

const gates = new WeakMap<PgClient, Gate>();

/** The callback of each query that has a time limit: `pg` takes it away when the limit is over, and tells the caller. */
const limited = new WeakMap<object, unknown>();

/** Callers of these clients wait no more for what is under way. */
const abandoned = new WeakSet<PgClient>();

/**
 * Makes a setting such as `app.tenant`. No reset removes it from a session: where a new session has none (`current_setting('app.tenant', true)` is
 * null), one that was reset has an empty text.
 */
const MAKES_SETTING = /\bset\s+(?:session\s+|local\s+)?[\w"]+\s*\.|\bset_config\s*\(|^\s*(?:do|call)\b/i;

function makesSetting(query: unknown): boolean {
  const text = typeof query === 'string' ? query : (query as { text?: unknown } | null)?.text;
  return typeof text === 'string' && MAKES_SETTING.test(text);
}

/** Puts the gate in a client's way. To be called before anyone has the client. */
export function gateOf(client: PgClient): Gate {
  const known = gates.get(client);
  if (known) return known;
  const gate: Gate = {
    queries: 0,
    first: undefined,
    sawTransaction: false,
    isPoolQuery: false,
    isShut: false,
    isSpent: false,
    hasOwnSettings: false,
    isResting: false,
    isAwaited: false,
    isGone: false,
    answers: new WeakSet(),
  };
  gates.set(client, gate);
  wrapMethod(client as unknown as { query: Call }, 'query', (original) => (...args) => {
    if (gate.isShut) return refuse(args);
    if (gate.isResting && !gate.isAwaited) holdProcess(client, gate);
    if (gate.queries++ === 0) gate.first = args[0];
    gate.hasOwnSettings ||= makesSetting(args[0]);
    const status = client.getTransactionStatus?.();
    if (status === 'T' || status === 'E') gate.sawTransaction = true;
    const result = original().apply(client, args);
    if (hasTimeLimit(client, args[0])) noteLimited(client);
    return result;
  });
  client.connection?.on('errorMessage', (error) => gate.answers.add(error));
  return gate;
}

/** A new borrower: what the last one did is over. */
export function enter(gate: Gate): void {
  gate.queries = 0;
  gate.first = undefined;
  gate.sawTransaction = false;
  gate.isPoolQuery = false;
  gate.isShut = false;
  gate.isResting = false;
}

/** What is sent on a client after its release is answered before the process exits, as with `pg`. Else the process would lose it in silence. */
function holdProcess(client: PgClient, gate: Gate): void {
  gate.isAwaited = true;
  client.connection?.stream.ref?.();
  const onDrain = () => {
    client.removeListener('drain', onDrain);
    gate.isAwaited = false;
    // A client that was taken in the meantime keeps the process alive until it is released.
    if (gate.isResting) client.connection?.stream.unref?.();
  };
  client.on('drain', onDrain);
}

/** The callers of this client have gone: what is under way may be cancelled. */
export function abandon(client: PgClient): void {
  abandoned.add(client);
}

/** Nothing is under way any more. */
export function settled(client: PgClient): void {
  abandoned.delete(client);
}

/** Whether nobody waits for this query any more, which is under way on the client. */
export function isGivenUp(client: PgClient, query: Query): boolean {
  return abandoned.has(client) || (limited.has(query) && limited.get(query) !== query.callback);
}

function hasTimeLimit({ connectionParameters }: PgClient, query: unknown): boolean {
  return Boolean((query as { query_timeout?: unknown } | null)?.query_timeout || connectionParameters?.query_timeout);
}

/** The query that was sent last. */
function noteLimited({ _queryQueue = [], _activeQuery }: PgClient): void {
  const query: Query | null | undefined = _queryQueue.at(-1) ?? _activeQuery;
  if (query) limited.set(query, query.callback);
}

/** As `pg` refuses a query on a closed client: by callback, promise or event, and never before `query` has returned. */
function refuse(args: readonly unknown[]): unknown {
  const error = new TenureUsageError(
    'The client was released, and the transaction that it ran is over: this query would have run outside of it, or in another one. ' +
      'It was not sent. Release a client when all of its queries are done, also those of a Promise.all that has failed.',
  );
  const [query] = args as [Query & { submit?: unknown }];
  const callback = args.find((arg) => typeof arg === 'function') ?? query?.callback;
  if (typeof query?.submit === 'function') {
    nextTick(() => (callback ? (callback as Call)(error) : query.handleError?.(error, undefined)));
    return query;
  }
  if (typeof callback !== 'function') return Promise.reject(error);
  nextTick(() => callback(error));
  return undefined;
}
