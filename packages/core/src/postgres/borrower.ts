import { TenureUsageError } from '../errors.js';
import { nextTick } from '../pool/clock.js';
import { wrapMethod } from './patches.js';
import type { PgClient, PgSubmittable } from './pgTypes.js';

type Query = PgSubmittable & { callback?: unknown; handleError?(error: Error, connection: unknown): void };
type Call = (...args: unknown[]) => unknown;
/** A client whose method `query` takes all the forms of `pg`. */
type Querying = { query: Call };

/**
 * Matches what makes a setting such as `app.tenant`. No reset removes it from a session: a new session has none
 * (`current_setting('app.tenant', true)` is null), but one that was reset has an empty text.
 */
const MAKES_SETTING = /\bset\s+(?:session\s+|local\s+)?[\w"]+\s*\.|\bset_config"?\s*\(/i;

/** Matches what releases all advisory locks of the session. */
const UNLOCKS = /\bpg_advisory_unlock_all\b|\bdiscard\s+all\b/i;

/** The queries that a client's present borrower has sent through its method `query`, and what may be done with the session afterwards. */
export class Borrower {
  /** How many queries were sent in this checkout. */
  queries = 0;
  /** The first of these queries, as it was given. */
  firstQuery: unknown;
  /** Whether one of them was sent inside a transaction. */
  sawTransaction = false;
  /** Whether the pool's own method `query` took the client. */
  isPoolQuery = false;
  /** Set when the client was released after a transaction: further queries are refused until the next checkout. */
  isRefused = false;
  /** Set when a failed statement may have left something on the session: the next borrower gets a new client on the cleared session. */
  needsNewClient = false;
  /** Whether a setting with a name of the app's own may ever have been made on the session: see `MAKES_SETTING`. */
  hasOwnSettings = false;
  /** Whether the session has locks of Tenure's own. */
  watchesLocks = false;
  /** Whether a query may have released the session's advisory locks. */
  #hasUnlocked = false;
  /** Whether the client was returned to its pool, where it does not keep the process alive. */
  isReturned = false;
  /** Whether the pool has emitted `remove` for this client. */
  isRemoved = false;
  /** The server's errors for statements of this client. */
  readonly serverErrors = new WeakSet<object>();

  readonly #client: PgClient;
  /** The callback of each query with a time limit. At the limit `pg` replaces the callback, and calls the caller back. */
  #limited: WeakMap<object, unknown> | undefined;
  #isAbandoned = false;
  /** Whether a query that was sent after the return keeps the process alive. */
  #holdsProcess = false;

  /** Wraps the client's method `query`, and so must run before any caller has the client. */
  constructor(client: PgClient) {
    this.#client = client;
    wrapMethod(client as object as Querying, 'query', (original) => (...args) => {
      if (this.isRefused) return refuse(args);
      if (this.isReturned && !this.#holdsProcess) this.#holdProcess();
      if (this.queries++ === 0) this.firstQuery = args[0];
      this.hasOwnSettings ||= makesSetting(args[0]);
      this.#hasUnlocked ||= this.watchesLocks && UNLOCKS.test(textOf(args[0]));
      const status = client.getTransactionStatus?.();
      if (status === 'T' || status === 'E') this.sawTransaction = true;
      const result = original().apply(client, args);
      if (hasTimeLimit(client, args[0])) this.#noteLimited();
      return result;
    });
  }

  /** Called at a checkout: the queries of the last borrower do not count any more. */
  begin(): void {
    this.queries = 0;
    this.firstQuery = undefined;
    this.sawTransaction = false;
    this.isPoolQuery = false;
    this.isRefused = false;
    this.isReturned = false;
  }

  /** Called when the callers of this client have stopped waiting: its queries in flight may be cancelled. */
  abandon(): void {
    this.#isAbandoned = true;
  }

  /** Whether the session's advisory locks may have been released since the last call. */
  takeUnlocked(): boolean {
    const hasUnlocked = this.#hasUnlocked;
    this.#hasUnlocked = false;
    return hasUnlocked;
  }

  /** Called when the session is ready for a query again, so that no query in flight is abandoned. */
  settled(): void {
    this.#isAbandoned = false;
  }

  /** Whether the caller of this query in flight has stopped waiting for it. */
  isGivenUp(query: Query): boolean {
    const limited = this.#limited;
    return this.#isAbandoned || (limited?.has(query) === true && limited.get(query) !== query.callback);
  }

  /**
   * Keeps the process alive until a query that was sent after the client's release is answered, as `pg` does. Otherwise the query
   * would be lost without an error.
   */
  #holdProcess(): void {
    const client = this.#client;
    this.#holdsProcess = true;
    client.connection?.stream.ref?.();
    const onDrain = () => {
      client.removeListener('drain', onDrain);
      this.#holdsProcess = false;
      // A client that was checked out in the meantime keeps the process alive until it is released.
      if (this.isReturned) client.connection?.stream.unref?.();
    };
    client.on('drain', onDrain);
  }

  /** Notes the query that was sent last. */
  #noteLimited(): void {
    const { _queryQueue = [], _activeQuery } = this.#client;
    const query: Query | null | undefined = _queryQueue.at(-1) ?? _activeQuery;
    this.#limited ??= new WeakMap();
    if (query) this.#limited.set(query, query.callback);
  }
}

function makesSetting(query: unknown): boolean {
  return MAKES_SETTING.test(textOf(query));
}

/** The text of a query; empty if it has none. */
function textOf(query: unknown): string {
  const text = typeof query === 'string' ? query : (query as { text?: unknown } | null)?.text;
  return typeof text === 'string' ? text : '';
}

function hasTimeLimit({ connectionParameters }: PgClient, query: unknown): boolean {
  return Boolean((query as { query_timeout?: unknown } | null)?.query_timeout || connectionParameters?.query_timeout);
}

/** Refuses a query as `pg` does on a closed client: by callback, promise or event, and never before `query` has returned. */
function refuse(args: readonly unknown[]): unknown {
  const error = new TenureUsageError(
    'This query was not sent: its client was released, and the transaction that the client ran is over. ' +
      'Await all queries before you release a client, also those of a Promise.all that has failed.',
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
