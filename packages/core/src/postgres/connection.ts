import { soon } from '../pool/clock.js';
import { Borrower } from './borrower.js';
import { ConnectionEndedError, EndedByAppError } from './failures.js';
import { guardParser, wrapMethod } from './patches.js';
import type { PgClient, PgSubmittable, PgWire, SocketListener } from './pgTypes.js';
import type { AnswerOrder } from './pipeline/answerOrder.js';
import type { Environment } from './statements/environment.js';

/** What the engine is to be called back about, once a client has been opened. */
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

/** When the first probe is sent on a silent connection. The default of most systems, two hours, outlives every NAT entry. */
const FIRST_PROBE_MS = 60_000;

const connections = new WeakMap<object, PgConnection>();

/**
 * The one place for what Tenure keeps about a client of node-postgres. Made when it is first asked for, which should be before the client
 * connects: what the server reports at the start of a session is not reported again.
 */
export function connectionOf(client: object): PgConnection {
  return connections.get(client) ?? new PgConnection(client as PgClient);
}

/**
 * A PostgreSQL connection: a client of node-postgres, what its server has reported, how it ended, and what its borrower did. From its making
 * on, no error of the client is an uncaught one, not even after it was closed.
 */
export class PgConnection {
  readonly client: PgClient;
  readonly borrower: Borrower;
  /** What the session's names and values depend on; set once statements are prepared on the client. */
  environment: Environment | undefined;
  /** The order of the answers while several queries are in flight; set where reads may share the connection. */
  order: AnswerOrder | undefined;
  /** The text that was sent last, without parameter values; kept only where the policy reports leaks. */
  lastStatement: string | undefined;
  /** What the client's wire has put on a socket that it took over from another client. */
  socketListeners: readonly SocketListener[] = [];
  /** The end was asked for, or was reported: it is not reported any more. */
  #isEndExpected = false;
  #listeners: EndListeners | undefined;
  /** When the client had been opened, by `performance.now()`. */
  #openedAt = Number.POSITIVE_INFINITY;
  /** The last error of the server that no ReadyForQuery has followed: the reason, if the connection ends now. */
  #lastError: Error | undefined;
  /** Why the connection ended. The first cause counts. */
  #cause: Error | undefined;
  /** What `pg` emitted at the end, by the client's event `error`. */
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

  /** The settings that the server reports, and reports again when they change. Empty where they cannot be known. */
  get parameters(): ReadonlyMap<string, string> {
    return this.#parameters;
  }

  /** How many milliseconds ago the client was opened; 0 before that. Does not grow while this process is frozen. */
  get ageMs(): number {
    return Math.max(0, performance.now() - this.#openedAt);
  }

  /** Given by `watch`; a client that takes this one's session over gets the same. */
  get listeners(): EndListeners | undefined {
    return this.#listeners;
  }

  /** The client has been opened: from now on its end and a server that turned read-only are reported. */
  watch(listeners: EndListeners): void {
    this.#listeners = listeners;
    this.#openedAt = performance.now();
    this.#couldWrite = this.#isReadOnly === false;
    const { _ended, _queryable } = this.client;
    // It may have ended before, and then no event follows.
    if (_ended || _queryable === false) soon(() => this.#ended());
  }

  /** From now on the end of this connection is what Tenure asked for. */
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
   * Runs a query of Tenure's own. A session that turns read-only meanwhile was turned by its server, since the app can have changed no setting,
   * and no write need fail before that is reported.
   */
  async ownQuery<T>(query: () => Promise<T>): Promise<T> {
    const couldWrite = this.#isReadOnly === false;
    const answer = await query();
    if (couldWrite) this.#reportIfReadOnly();
    return answer;
  }

  /** Ends the session; resolves when the socket has closed. Never rejects: whatever fails on the way, the connection is gone. */
  async close(): Promise<void> {
    const { client } = this;
    this.expectEnd();
    this.silenceQueries();
    // Or the process might exit before the end that someone waits for.
    client.connection?.stream.ref?.();
    // With a callback, as pg-pool ends a client: a `Client` class of the app's own may know no other form.
    await new Promise<void>((resolve) => client.end(() => resolve()));
  }

  /** Destroys the socket at once, in whatever phase the client is. Never throws, since an error of its own would hide the one it cleans up after. */
  abort(): void {
    const { client } = this;
    this.expectEnd();
    this.silenceQueries();
    try {
      if (client.connection) client.connection.stream.destroy();
      else client.end(() => {});
    } catch {
      // A `Client` class of the app's own may have no `end()`; there is nothing more to do for it.
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
    // `pg` gives a FATAL error to the query in flight, and the error of the connection is only "terminated unexpectedly". Whether an error is
    // fatal shows in what follows, ReadyForQuery or the end: its severity is translated.
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
   * A session has turned read-only if it refused a write and has reported, by the next ReadyForQuery, to be read-only. A refusal in a transaction
   * that the app declared `READ ONLY` is the app's error, and a session that was read-only from the start is on a replica. A report alone
   * proves nothing: the app may have changed the setting.
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
    // `pg` gives this very error to the queries that were still in its queue, in the next tick.
    if (this.#cause) addCause(error, this.#cause);
    if (this.#isEndExpected || !this.#listeners) return;
    this.#isEndExpected = true;
    this.#listeners.onLost(this.#cause);
  }

  /** Turns TCP keepalive on, which `pg` leaves off, so that the system notices a peer that is gone. What the app chose itself stays. */
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
  wrapMethod(client as Querying, 'query', (original) => (...given) => {
    const args = given.map((arg) => (typeof arg === 'function' ? because(arg as Callback) : arg));
    const config = given[0] as { callback?: unknown; submit?: unknown; handleError?: Callback } | null | undefined;
    if (typeof config?.submit === 'function') {
      config.handleError = because((config.handleError as Callback).bind(config));
    } else if (typeof config?.callback === 'function') {
      args[0] = { ...config, callback: because(config.callback as Callback) };
    }
    const result = original().apply(client, args);
    // Before the caller's own handlers: the error that they get is the same object.
    if (result instanceof Promise) result.catch((error) => addCause(error, cause));
    return result;
  });
}
