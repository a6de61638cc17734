import { soon } from '../pool/clock.js';
import type { PoolerKind } from '../pool/connector.js';
import { Borrower } from './borrower.js';
import { ConnectionEndedError, EndedByAppError } from './failures.js';
import { guardParser, wrapMethod } from './patches.js';
import type { PgClient, PgSubmittable, PgWire, SocketListener } from './pgTypes.js';
import type { SharedLocks } from './sharedLocks.js';
import type { Environment } from './statements/environment.js';

/** Callbacks of the engine for a client that has been opened. */
export interface EndListeners {
  /** Called once if the connection ends without `close` or `abort`. */
  onLost(cause?: Error): void;
  /** Called once if the session could write when it was opened, and its server stops taking writes. */
  onReadOnly(): void;
}

/** SQLSTATE of a write in a read-only transaction. */
const READ_ONLY_TRANSACTION = '25006';

/** PostgreSQL 14 and later report both at the start, and again right before ReadyForQuery when one has changed. */
const WRITABLE_SETTINGS = ['in_hot_standby', 'default_transaction_read_only'];

/** When the first probe is sent on a silent connection. The default of most systems, two hours, is longer than a NAT device keeps an entry. */
const FIRST_PROBE_MS = 60_000;

const connections = new WeakMap<object, PgConnection>();

/**
 * The one place of Tenure's record of a client of node-postgres. The first call makes the record. It should come before the
 * client connects: the server's first reports are not repeated.
 */
export function connectionOf(client: object): PgConnection {
  return connections.get(client) ?? new PgConnection(client as PgClient);
}

/**
 * A PostgreSQL connection: a client of node-postgres, what its server has reported, how it ended, and what its borrower did. Once
 * it is made, no error of the client is an uncaught one, not even after the close.
 */
export class PgConnection {
  readonly client: PgClient;
  readonly borrower: Borrower;
  #locks: SharedLocks | undefined;
  /** The environment of the session; set once statements are prepared on the client. */
  environment: Environment | undefined;
  /** The pooler between the client and its server, if any; set when it has connected. */
  pooler: { readonly kind: PoolerKind } | undefined;
  /** The text that was sent last, without parameter values; kept only if the policy reports leaks. */
  lastStatement: string | undefined;
  /** The listeners of the client's wire on a socket that it took over from another client. */
  socketListeners: readonly SocketListener[] = [];
  /** Set when the end was requested, or has been reported: it is not reported any more. */
  #isEndExpected = false;
  #listeners: EndListeners | undefined;
  /** When the client had been opened, by `performance.now()`. */
  #openedAt = Number.POSITIVE_INFINITY;
  /** The last error of the server that no ReadyForQuery has followed. If the connection ends now, it is the reason. */
  #lastError: Error | undefined;
  /** Why the connection ended. The first cause counts. */
  #cause: Error | undefined;
  /** The error that `pg` emitted at the end, by the client's event `error`. */
  #error: Error | undefined;
  #couldWrite = false;
  readonly #parameters = new Map<string, string>();

  constructor(client: PgClient) {
    this.client = client;
    connections.set(client, this);
    client.on('error', (error) => {
      this.#error ??= error;
      this.#ended(error);
    });
    client.on('end', () => this.#ended(client._ending ? new EndedByAppError() : undefined));
    const { connection: wire } = client;
    if (wire) this.#listen(wire);
    this.borrower = new Borrower(client);
  }

  /** The settings that the server reports, and reports again when they change. Empty if they cannot be known. */
  get parameters(): ReadonlyMap<string, string> {
    return this.#parameters;
  }

  /** Locks of Tenure's own on the session; set if the pool has a budget. */
  get locks(): SharedLocks | undefined {
    return this.#locks;
  }

  set locks(locks: SharedLocks | undefined) {
    this.#locks = locks;
    this.borrower.watchesLocks = locks !== undefined;
  }

  /** How many milliseconds ago the client was opened; 0 before that. Does not grow while this process is frozen. */
  get ageMs(): number {
    return Math.max(0, performance.now() - this.#openedAt);
  }

  /** Given to `watch`. A client that takes over this one's session gets the same. */
  get listeners(): EndListeners | undefined {
    return this.#listeners;
  }

  /** Called when the client has been opened: its end, and a server that turns read-only, are reported from then on. */
  watch(listeners: EndListeners): void {
    this.#listeners = listeners;
    this.#openedAt = performance.now();
    this.#couldWrite = this.#isReadOnly === false;
    const { _ended, _queryable } = this.client;
    // It may have ended before, and then no event follows.
    if (_ended || _queryable === false) soon(() => this.#ended());
  }

  /** Stops reporting the end of this connection, because Tenure requested it. */
  expectEnd(): void {
    this.#isEndExpected = true;
  }

  /** The error that `pg` emitted when the connection ended, if it has emitted one. Its `cause` is `causeOfEnd`, or it is the same error. */
  get errorOfEnd(): Error | undefined {
    return this.#error;
  }

  /** Why a connection that is not open any more has ended. */
  causeOfEnd(): Error {
    const known = this.#cause ?? this.#lastError;
    return known ?? (this.client._ending ? new EndedByAppError() : new ConnectionEndedError());
  }

  /**
   * Runs a query of Tenure's own. If the session turns read-only meanwhile, the cause is its server, since the app cannot have
   * changed a setting. So it is reported even if no write has failed.
   */
  async ownQuery<T>(query: () => Promise<T>): Promise<T> {
    const couldWrite = this.#isReadOnly === false;
    const answer = await query();
    if (couldWrite) this.#reportIfReadOnly();
    return answer;
  }

  /** Ends the session; resolves when the socket has closed. Never rejects: after any failure on the way, the connection is gone. */
  async close(): Promise<void> {
    const { client } = this;
    this.expectEnd();
    this.silenceQueries();
    // Otherwise the process might exit before the end, which a caller may wait for.
    client.connection?.stream.ref?.();
    // pg-pool ends a client with a callback too; a `Client` class of the app's own may have no other form.
    await new Promise<void>((resolve) => client.end(() => resolve()));
  }

  /** Destroys the socket at once, in whatever phase the client is. Never throws, since its error would hide the error that caused the call. */
  abort(): void {
    const { client } = this;
    this.expectEnd();
    this.silenceQueries();
    try {
      if (client.connection) client.connection.stream.destroy();
      else client.end(() => {});
    } catch {
      // A `Client` class of the app's own may have no `end()`. Nothing more can be done for it.
    }
  }

  /** Adds an error listener to each query in flight: the app may have left it without one, and then its error event would end the process. */
  silenceQueries(): void {
    const { _activeQuery, _queryQueue = [], _sentQueryQueue = [] } = this.client;
    for (const query of [_activeQuery, ..._sentQueryQueue, ..._queryQueue] as (PgSubmittable | null | undefined)[])
      query?.on?.('error', () => {});
  }

  #listen(wire: PgWire): void {
    guardParser(wire);
    // `pg` gives a FATAL error to the query in flight; the connection's own error is only "terminated unexpectedly". The severity
    // is translated, so only the next event shows whether an error is fatal: ReadyForQuery or the end.
    wire.on('errorMessage', (error) => {
      this.#lastError = error;
      this.borrower.serverErrors.add(error);
      wire.once('readyForQuery', () => this.#recovered(error.code));
    });
    wire.on('parameterStatus', ({ parameterName, parameterValue }) => {
      this.#parameters.set(parameterName, parameterValue);
    });
    this.#keepAlive(wire);
  }

  /**
   * A session has turned read-only if it refused a write and has reported, by the next ReadyForQuery, to be read-only. A refusal
   * in a transaction that the app declared `READ ONLY` is the app's error. A session that was read-only from the start is on a
   * replica. A report alone proves nothing, because the app may have changed the setting.
   */
  #recovered(code: unknown): void {
    this.#lastError = undefined;
    if (code === READ_ONLY_TRANSACTION) this.#reportIfReadOnly();
  }

  /** Whether new transactions of this session are read-only; undefined when the server has not reported it. */
  get #isReadOnly(): boolean | undefined {
    const values = WRITABLE_SETTINGS.map((name) => this.#parameters.get(name));
    if (values.includes(undefined)) return undefined;
    return values.includes('on');
  }

  #reportIfReadOnly(): void {
    if (!this.#couldWrite || !this.#isReadOnly) return;
    this.#couldWrite = false;
    this.#listeners?.onReadOnly();
  }

  #ended(error?: Error): void {
    if (this.#cause === undefined) {
      this.#cause = this.#lastError ?? error;
      if (this.#cause && !(this.#cause instanceof EndedByAppError)) explainEnd(this.client, this.#cause);
    }
    // `pg` passes this same error, in the next tick, to the queries that were still in its queue.
    if (this.#cause) addCause(error, this.#cause);
    if (this.#isEndExpected || !this.#listeners) return;
    this.#isEndExpected = true;
    this.#listeners.onLost(this.#cause);
  }

  /** Turns TCP keepalive on, which `pg` leaves off, so that the system notices a peer that is gone. A choice of the app's own stays. */
  #keepAlive(wire: PgWire): void {
    const { connectionParameters } = this.client;
    if (connectionParameters?.keepalives !== undefined) return;
    const chosenSeconds = connectionParameters?.keepalives_idle;
    wire.stream.setKeepAlive?.(true, chosenSeconds ? chosenSeconds * 1000 : FIRST_PROBE_MS);
  }
}

type Callback = (error: unknown, ...rest: unknown[]) => unknown;
type Querying = { query(...args: unknown[]): unknown };

/**
 * Adds the reason as `cause` to an error that `pg` makes for a session that has ended (`not queryable`, `Connection terminated
 * unexpectedly`). An error that has a cause, or is the reason itself, stays as it is.
 */
function addCause(error: unknown, cause: Error): void {
  if (!(error instanceof Error) || error === cause || error.cause !== undefined) return;
  Object.defineProperty(error, 'cause', { value: cause, configurable: true, writable: true });
}

/** Makes each query that is sent to this ended client fail with `cause` as the `cause` of its error, in all forms of `query`. */
function explainEnd(client: object, cause: Error): void {
  const because =
    (callback: Callback): Callback =>
    (error, ...rest) => {
      addCause(error, cause);
      return callback(error, ...rest);
    };
  wrapMethod(client as Querying, 'query', (original) => (...given) => {
    const args = given.map((arg) => (typeof arg === 'function' ? because(arg as Callback) : arg));
    const config = given[0] as { callback?: unknown; submit?: unknown; handleError?: Callback } | null | undefined;
    if (typeof config?.submit === 'function') {
      config.handleError = because((config.handleError as Callback).bind(config));
    } else if (typeof config?.callback === 'function') {
      args[0] = { ...config, callback: because(config.callback as Callback) };
    }
    const result = original().apply(client, args);
    // Runs before the caller's own handlers, which get the same error object.
    if (result instanceof Promise) result.catch((error) => addCause(error, cause));
    return result;
  });
}
