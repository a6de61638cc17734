import {
  isPreparing,
  type PgConnectionParameters,
  type PgQuery,
  type PreparingClient,
  type PreparingWire,
} from '../pgTypes.js';

/** A connection that emits each message, so that the order of answers can be followed. */
interface PipeliningWire extends Omit<PreparingWire, 'on' | 'prependListener' | 'stream'> {
  readonly stream: PreparingWire['stream'] & { readonly writableNeedDrain?: boolean };
  on(event: string, listener: (message: never) => void): unknown;
  listenerCount(event: string): number;
  /** Whether it emits each message as `message`, before the event of its name. */
  _emitMessage: boolean;
}

/** Any query that a client was given. */
export interface QueuedQuery extends PgQuery {
  handleError(error: Error, connection: unknown): void;
}

/** The internals of `pg` that pipelining uses, read in 8.23. */
export interface PipeliningClient extends Omit<PreparingClient, 'connection' | 'pipeline' | 'connectionParameters'> {
  readonly connection: PipeliningWire;
  readonly connectionParameters?: { -readonly [K in keyof PgConnectionParameters]: PgConnectionParameters[K] };
  readonly binary?: unknown;
  /** Whether queries are sent at once, ahead of the answers to those before them. May be changed while nothing is in flight. */
  pipeline: boolean;
  readonly _queryQueue: QueuedQuery[];
  readonly _sentQueryQueue: readonly PgQuery[];
  /** Sends all that is in the queue. */
  _pulsePipelinedQueryQueue(): void;
}

/** Whether nothing is in flight or queued, no transaction is open, and rows come as text. */
export function isIdle(client: PipeliningClient): boolean {
  const { binary, readyForQuery, _activeQuery, _queryQueue } = client;
  const isReady = readyForQuery === true && !_activeQuery && _queryQueue.length === 0;
  return isReady && !binary && client.getTransactionStatus?.() === 'I';
}

/**
 * Whether the client's method `query` is that of `pg`. A tool that wraps it, to trace queries, would see those from the line in
 * the asynchronous context of another caller.
 */
export function hasStockQuery(client: object): boolean {
  const { query } = Object.getPrototypeOf(client) as { query?: unknown };
  if (query === stockQuery) return true;
  if (typeof query !== 'function' || !Function.prototype.toString.call(query).includes('_queryQueue.push('))
    return false;
  stockQuery = query;
  return true;
}

/** The method that was found last, since there may be several copies of `pg`. */
let stockQuery: unknown;

/** Whether this client can have several queries in flight: `pg` 8.23 and later. It changes nothing. */
export function canPipeline(client: object): client is PipeliningClient {
  const { pipeline, _sentQueryQueue, _pulsePipelinedQueryQueue, connection } = client as Partial<PipeliningClient>;
  return (
    isPreparing(client) &&
    pipeline === false &&
    Array.isArray(_sentQueryQueue) &&
    typeof _pulsePipelinedQueryQueue === 'function' &&
    typeof connection?._emitMessage === 'boolean' &&
    typeof connection.stream.cork === 'function'
  );
}
