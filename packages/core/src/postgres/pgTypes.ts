import type { ServerError } from './failures.js';

/**
 * The parts of node-postgres that Tenure uses, described by structure. The Knex plugin works with Knex's own copy of `pg`, and
 * classes of two copies are not instances of each other.
 *
 * Members that `pg` documents come first in each interface. The rest is internal to `pg`; pg-pool relies on some of it too. All
 * of it has been read in 8.21 to 8.23. Everything internal is optional, and its absence always means "unknown".
 */
export interface PgClient {
  query(text: string, callback: (error: unknown, result?: PgResult) => void): void;
  end(callback: (error?: unknown) => void): void;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'drain' | 'end', listener: () => void): unknown;
  removeListener(event: 'drain' | 'error' | 'end', listener: () => void): unknown;
  /** pg 8.21 and later. The native client has none. */
  getTransactionStatus?(): string | null;

  /** Absent on the native client, like the rest. */
  readonly connection?: PgWire;
  /** From BackendKeyData. A pooler gives a number of its own. */
  readonly processID?: number | null;
  /** Proves to the server that a cancel comes from the client. */
  readonly secretKey?: unknown;
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly user?: string | undefined;
  readonly database?: string | undefined;
  readonly ssl?: boolean | object | undefined;
  readonly sslNegotiation?: string | undefined;
  readonly connectionParameters?: PgConnectionParameters;
  /** Whether the server waits for a query. False from the sending of one until ReadyForQuery, which comes after its error was called back. */
  readonly readyForQuery?: boolean;
  /** The query whose answer is being read. */
  readonly _activeQuery?: PgSubmittable | null;
  /** Queries that have not been sent. */
  readonly _queryQueue?: object[];
  /** Queries sent ahead of their turn, in pipeline mode. pg 8.22 and later. */
  readonly _sentQueryQueue?: readonly object[];
  /** Sends the first query in the queue, if the server waits for one. */
  _pulseQueryQueue?(): void;
  /** False once the connection has failed. */
  readonly _queryable?: boolean;
  /** Whether `end()` has been called. */
  readonly _ending?: boolean;
  /** Whether the socket has closed. */
  readonly _ended?: boolean;
}

/** The result of a query of one statement. */
export interface PgResult {
  readonly rows: readonly Record<string, unknown>[];
}

/** A query, or an object that behaves like one: a cursor, a stream. */
export interface PgSubmittable {
  close?(): unknown;
  /** A cursor's callback for the rows that it reads. */
  readonly _cb?: unknown;
  destroy?(): unknown;
  on?(event: 'error', listener: () => void): unknown;
  listenerCount?(event: string): number;
  /** The cursor of a stream of rows, which can be closed. A COPY has none. */
  readonly cursor?: PgSubmittable & { readonly text?: unknown };
  /** Only a stream to read from has it. */
  resume?(): unknown;
  /** Whether all data was written to a stream to write to. */
  readonly writableEnded?: boolean;
}

/** The first message of a server: it asks for credentials, or refuses. */
export type PgFirstMessage =
  | 'authenticationOk'
  | 'authenticationSASL'
  | 'authenticationMD5Password'
  | 'authenticationCleartextPassword'
  | 'errorMessage';

/** A client's `connection`: the protocol on its socket. `PgConnection` is another thing: Tenure's record of the client. */
export interface PgWire {
  readonly stream: PgStream;
  on(event: 'errorMessage' | 'error', listener: (error: Error & { readonly code?: unknown }) => void): unknown;
  on(event: 'parameterStatus', listener: (report: PgParameterStatus) => void): unknown;
  on(event: 'connect' | 'sslconnect' | 'end', listener: () => void): unknown;
  once(event: 'readyForQuery' | PgFirstMessage, listener: () => void): unknown;
}

/** The server's report of a setting of the session. */
export interface PgParameterStatus {
  readonly parameterName: string;
  readonly parameterValue: string;
}

/** A socket, or what the app's `stream` option made in its place. */
export interface PgStream {
  readonly readable: boolean;
  readonly writable: boolean;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  destroy(error?: Error): unknown;
  /** Only a socket has this, and the next two. */
  readonly bytesRead?: number;
  readonly bytesWritten?: number;
  /** How many bytes are waiting to be sent. */
  readonly writableLength?: number;
  setKeepAlive?(enable: boolean, initialDelayMs: number): unknown;
  ref?(): unknown;
  unref?(): unknown;
}

/** A listener on a socket, and its event. */
export type SocketListener = readonly [event: string | symbol, listener: (...args: unknown[]) => void];

/** The app's configuration, as `pg` has read it. */
export interface PgConnectionParameters {
  /** 1 or 0 if the app has set `keepAlive`, else undefined. */
  readonly keepalives?: number;
  /** The app's `keepAliveInitialDelayMillis`, in seconds. */
  readonly keepalives_idle?: number;
  /** The app's limit for the time that an answer may take, in milliseconds; false without one. */
  readonly query_timeout?: number | string | false;
}

/* The internals of `pg` that preparing uses, read in 8.21 to 8.23. Nothing is prepared on a client that lacks any of them. */

/** A query of `pg`'s own class `Query`. */
export interface PgQuery extends PgSubmittable {
  readonly text?: unknown;
  readonly values?: unknown;
  readonly rows?: unknown;
  readonly types?: unknown;
  /** Whether its rows should come in binary form. */
  readonly binary?: unknown;
  /** The client also sets it for a promise and for a time limit. A `Query` of the app's that only emits events has none. */
  callback?: unknown;
  /** The name under which it is sent as a prepared statement, if it is. */
  name?: string | undefined;
}

/** The server's description of a column of a result. */
export interface Field {
  readonly name: string;
  readonly tableID: number;
  readonly columnID: number;
  readonly dataTypeID: number;
  readonly dataTypeSize: number;
  readonly dataTypeModifier: number;
  readonly format: string;
}

export interface RowDescription {
  readonly fields: readonly Field[];
}

export interface PreparingWire extends PgWire {
  readonly stream: PgStream & { cork?(): void; uncork?(): void };
  /** Texts by the name of their statement. `pg` sends no Parse for these. */
  readonly parsedStatements: Record<string, string | undefined>;
  /** The same, as long as their Parse has not been answered. pg 8.22 and later. */
  readonly submittedNamedStatements?: Record<string, string | undefined>;
  close(message: { readonly type: string; readonly name?: string | undefined }): void;
  describe(message: { readonly type: string; readonly name?: string | undefined }): void;
  emit(event: 'rowDescription', message: RowDescription): unknown;
  on(event: 'errorMessage' | 'error', listener: (error: Error) => void): unknown;
  on(
    event: 'connect' | 'sslconnect' | 'end' | 'parseComplete' | 'bindComplete' | 'noData',
    listener: () => void,
  ): unknown;
  on(event: 'commandComplete', listener: (message: { readonly text: string }) => void): unknown;
  on(event: 'parameterStatus', listener: (report: PgParameterStatus) => void): unknown;
  on(event: 'parameterDescription', listener: (message: { readonly dataTypeIDs: readonly number[] }) => void): unknown;
  prependListener(event: 'readyForQuery', listener: (message: { readonly status?: string }) => void): unknown;
  prependListener(event: 'errorMessage', listener: (error: ServerError) => void): unknown;
  prependListener(event: 'rowDescription', listener: (message: RowDescription) => void): unknown;
}

export interface PreparingClient extends Omit<PgClient, 'query'> {
  readonly connection: PreparingWire;
  readonly _queryQueue: PgQuery[];
  readonly _activeQuery?: PgQuery | null;
  readonly pipeline?: boolean;
  query(...args: unknown[]): unknown;
  /** Sends the first query in the queue, if the server waits for one. */
  _pulseQueryQueue(): void;
}

/** The class of the client's own queries. Its copy of `pg` may differ from ours. */
export type QueryClass = new (config: object, values?: unknown, callback?: Callback) => PgQuery;

type Callback = (error: unknown, result?: { readonly rows: readonly Record<string, string>[] }) => void;

/**
 * Whether this client has all that preparing needs; those of pg-native do not. In pipeline mode several queries are under way, so
 * an answer cannot be attributed to one of them.
 */
export function isPreparing(client: object): client is PreparingClient {
  const { connection, pipeline, _queryQueue, _pulseQueryQueue } = client as Partial<PreparingClient>;
  return (
    !pipeline &&
    typeof _pulseQueryQueue === 'function' &&
    Array.isArray(_queryQueue) &&
    typeof connection?.close === 'function' &&
    typeof connection.describe === 'function' &&
    typeof connection.parsedStatements === 'object' &&
    queryClassOf(client) !== undefined
  );
}

export function queryClassOf(client: object): QueryClass | undefined {
  const { Query } = client.constructor as { Query?: QueryClass };
  return typeof Query === 'function' ? Query : undefined;
}

/** A query of a text with parameters. */
export type ParameterQuery = PgQuery & { readonly text: string; readonly values: unknown[] };

/** Whether the client itself made this query of a text with parameters. If it has another form, the app chose that form for a purpose. */
export function isParameterQuery(query: PgQuery, Query: QueryClass): query is ParameterQuery {
  const { name, text, values, rows, types, callback } = query;
  return (
    !name &&
    Array.isArray(values) &&
    values.length > 0 &&
    typeof text === 'string' &&
    query.constructor === Query &&
    callback !== undefined &&
    !rows &&
    // With a list of parameter types, the same text may stand for several statements.
    !Array.isArray(types)
  );
}

/** The text that a query sends. A stream has it in its cursor. */
export function textOf(query: PgQuery & { readonly cursor?: PgQuery }): string | undefined {
  const text = query.text ?? query.cursor?.text;
  return typeof text === 'string' ? text : undefined;
}
