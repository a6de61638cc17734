import type { ServerError } from '../failures.js';
import type { PgClient, PgParameterStatus, PgStream, PgSubmittable, PgWire } from '../pgTypes.js';

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

export interface PreparingWire extends PgWire {
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
  readonly connection: PreparingWire;
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
