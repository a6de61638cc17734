import type { ServerError } from '../failures.js';
import type { PgClient, PgConnection, PgParameterStatus, PgStream, PgSubmittable } from '../pgTypes.js';

/*
 * What preparing uses of the inside of `pg`, read in 8.21 to 8.23. A client that lacks any of it is left alone.
 */

/** A query of `pg`'s own making, as its class `Query` has it. */
export interface PgQuery extends PgSubmittable {
  readonly text?: unknown;
  readonly values?: unknown;
  readonly rows?: unknown;
  readonly types?: unknown;
  /** Its rows are to come in binary form. */
  readonly binary?: unknown;
  /** Set by the client also for a promise and for a time limit; absent on a `Query` of the app's that only emits. */
  callback?: unknown;
  /** Set: it is sent as a prepared statement of this name. */
  name?: string | undefined;
}

/** A column of a result, as the server describes it. */
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

export interface PreparingConnection extends PgConnection {
  readonly stream: PgStream & { cork?(): void; uncork?(): void };
  /** Texts by the name of their statement. `pg` sends no Parse for what is in here. */
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
  readonly connection: PreparingConnection;
  readonly _queryQueue: PgQuery[];
  readonly _activeQuery?: PgQuery | null;
  readonly pipeline?: boolean;
  query(...args: unknown[]): unknown;
  /** Sends the first query in the queue, if the server waits for one. */
  _pulseQueryQueue(): void;
}

/** The class of the client's own queries; its copy of `pg` may be another one than ours. */
export type QueryClass = new (config: object, values?: unknown, callback?: Callback) => PgQuery;

type Callback = (error: unknown, result?: { readonly rows: readonly Record<string, string>[] }) => void;

/**
 * Whether this client has all that preparing needs, as those of pg-native have not. In pipeline mode more than one query is under way, and
 * an answer cannot be told from the next one's.
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

/** The text that a query sends; a stream holds its cursor, which holds the text. */
export function textOf(query: PgQuery & { readonly cursor?: PgQuery }): string | undefined {
  const text = query.text ?? query.cursor?.text;
  return typeof text === 'string' ? text : undefined;
}

/**
 * Puts a method of our own before one of a client's or connection's. The original is looked up at each call: tools patch the class, also
 * after the client was made.
 */
export function wrapMethod<T extends object, K extends keyof T>(
  target: T,
  name: K,
  wrap: (original: () => T[K]) => T[K],
): void {
  const own = Object.hasOwn(target, name) ? target[name] : undefined;
  const original = () => own ?? Object.getPrototypeOf(target)[name];
  Object.defineProperty(target, name, { value: wrap(original), writable: true, configurable: true, enumerable: false });
}

/** Sees a query at the last moment: after whatever tools have done to it, and before it is written to the socket. */
export interface SubmitListener {
  before(query: PgQuery): void;
  after?(): void;
}

/**
 * Listens to what a client sends. Not in its method `query`: what goes through there is still a text or a configuration, which tools that
 * patch the class may rewrite, and `pg` has not yet made of it what answers by callback, promise or time limit.
 */
export function onSubmit(client: PreparingClient, listener: SubmitListener): void {
  wrapMethod(client, '_pulseQueryQueue', (original) => () => {
    const next = client.readyForQuery === true ? client._queryQueue[0] : undefined;
    if (next === undefined) return original().call(client);
    listener.before(next);
    try {
      original().call(client);
    } finally {
      listener.after?.();
    }
  });
}

/** What a prepared statement returns: its columns, or `nothing`; not known before its first run. */
export interface Described {
  columns: RowDescription | 'nothing' | undefined;
}

/**
 * Has the server describe the columns of a prepared statement once. `pg` asks with every run, and gets the answer of the first one: the session
 * refuses to run a statement whose columns have changed their names or types (0A000). For a wide row that is a good part of the answer, on both sides.
 *
 * Not behind a pooler, which may carry the statement to a session that refuses nothing. What may grow old, until the next look, is the `tableID`
 * and `columnID` of a column, where the text has come to mean another table with the same columns.
 */
export class DescribeOnce {
  readonly #connection: PreparingConnection;
  #statement: Described | undefined;
  /** What the server was not asked for. */
  #remembered: Described['columns'];
  /** The name of a statement that is sent for the first time: its parameters are to be described too. */
  #new: { readonly name: string; readonly isBinary: boolean } | undefined;

  constructor(connection: PreparingConnection) {
    this.#connection = connection;
    wrapMethod(connection, 'describe', (original) => (message) => {
      this.#remembered = this.#statement?.columns;
      if (this.#remembered !== undefined) return;
      // The description of a statement has the parameters, that of a portal the format of the columns.
      if (this.#new) original().call(connection, { type: 'S', name: this.#new.name });
      if (!this.#new || this.#new.isBinary) original().call(connection, message);
    });
    // Before `pg` makes them the result's, and the app's.
    connection.prependListener('rowDescription', (columns) => this.#learn(columns));
    connection.on('noData', () => this.#learn('nothing'));
  }

  /** From here on, what is sent and answered is a run of this statement; `undefined`: of something else. */
  follow(statement: Described | undefined): void {
    this.#statement = statement;
    this.#remembered = undefined;
    this.#new = undefined;
  }

  /** What is sent next is the first run of a statement. */
  introduce(name: string, isBinary: boolean): void {
    this.follow(undefined);
    this.#new = { name, isBinary };
  }

  /** The server has taken the statement. Its columns, which it was not asked for, are given as if it had sent them. */
  bound(): void {
    const columns = this.#remembered;
    if (columns !== undefined && columns !== 'nothing') this.#connection.emit('rowDescription', copyOf(columns));
  }

  #learn(columns: RowDescription | 'nothing'): void {
    if (this.#statement === undefined || this.#remembered !== undefined) return;
    this.#statement.columns = columns === 'nothing' ? columns : copyOf(columns);
  }
}

/** Each result has columns of its own, which the app may change. */
function copyOf(columns: RowDescription): RowDescription {
  return { ...columns, fields: columns.fields.map(copyOfField) };
}

/** Of the class that `pg` has for them. */
function copyOfField(field: Field): Field {
  const FieldClass = field.constructor as new (...values: unknown[]) => Field;
  const { name, tableID, columnID, dataTypeID, dataTypeSize, dataTypeModifier, format } = field;
  return new FieldClass(name, tableID, columnID, dataTypeID, dataTypeSize, dataTypeModifier, format);
}
