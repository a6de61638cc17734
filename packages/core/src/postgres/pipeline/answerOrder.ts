import { nextTick, soon, systemRuntime } from '../../pool/clock.js';
import { connectionOf } from '../connection.js';
import type { ServerError } from '../failures.js';
import { wrapMethod } from '../patches.js';
import { type PgQuery, type QueryClass, queryClassOf } from '../pgTypes.js';
import type { SharedRun, SharedRuns } from '../statements/sharedRuns.js';
import {
  type Callback,
  type Found,
  type InFlight,
  isOverdue,
  isSlow,
  type Message,
  type OrderedPool,
  OVERDUE_MS,
  RewrittenError,
  type SharedCall,
  type SharedHold,
  unsent,
  type Watched,
} from './inFlight.js';
import { hasStockQuery, isIdle, type PipeliningClient, type QueuedQuery } from './pipeliningClient.js';

/** Most queries in flight on one connection. More gain little on a local network, and each waits for those before it. */
const DEPTH = 4;

const QUERY_CANCELED = '57014';

/**
 * The order of the answers on one connection while several queries are in flight. A query enters the order in the step that
 * writes it, and only ReadyForQuery takes it out. Each message must be one that the first query of the order can get. Any other
 * ends the connection, and all waiting queries run again elsewhere.
 */
export class AnswerOrder implements Watched {
  readonly #client: PipeliningClient;
  readonly #runs: SharedRuns;
  readonly #pool: OrderedPool;
  readonly #Query: QueryClass;
  readonly #inFlight: InFlight[] = [];
  /** Queries that the app has sent on a client without holding it. They are sent once the client is not shared any more. */
  readonly #held: QueuedQuery[] = [];
  #hold: SharedHold | undefined;
  /** Set when it takes no more queries until it is empty. */
  #isClosed = false;
  /** Whether ReadyForQuery of the first query is being processed. That of a query from before the sharing does not count. */
  #isReady = false;
  #sending: InFlight | undefined;
  #answered = 0;

  constructor(client: PipeliningClient, runs: SharedRuns, pool: OrderedPool) {
    this.#client = client;
    this.#runs = runs;
    this.#pool = pool;
    this.#Query = queryClassOf(client)!;
    this.#listen();
  }

  /** Whether the connection is checked out to be shared. */
  get isOpen(): boolean {
    return this.#hold !== undefined;
  }

  get isEmpty(): boolean {
    return this.#inFlight.length === 0;
  }

  /** The run of a text, if it may be sent on this connection now. */
  find(text: string, now: number): SharedRun | undefined {
    const { length } = this.#inFlight;
    const [head] = this.#inFlight;
    // A connection that is not open may be in a transaction, or in the middle of something else.
    if (this.isOpen ? this.#isClosed || length >= DEPTH : !this.isEmpty || !isIdle(this.#client)) return undefined;
    if (!hasStockQuery(this.#client)) {
      this.#pool.noteRewritten();
      return undefined;
    }
    if (head && isSlow(head, now)) return undefined;
    if (length > 0 && this.#client.connection.stream.writableNeedDrain) return undefined;
    return this.#runs.find(text, now);
  }

  /** Called when the connection was checked out, and is shared from now on. */
  open(hold: SharedHold): void {
    this.#hold = hold;
    this.#isClosed = false;
    this.#answered = 0;
    this.#observe(true);
    this.#client.pipeline = true;
  }

  /**
   * Sends a query. `write` calls the client's method `query` with this callback.
   *
   * @param isOneOfMany whether others are sent in this turn of the event loop: they go in one packet
   */
  send(found: Found, call: SharedCall, write: (callback: Callback) => void, isOneOfMany: boolean): void {
    const client = this.#client;
    const record = unsent(found, call, systemRuntime.now());
    if (isOneOfMany || !this.isEmpty) this.#pool.cork(client.connection.stream);
    this.#sending = record;
    // The client's own timer would end the connection, and with it the queries of others, so `look` keeps the limit.
    const { connectionParameters } = client;
    const limit = connectionParameters?.query_timeout;
    if (limit) connectionParameters.query_timeout = false;
    try {
      write((error, result) => this.#calledBack(record, error, result));
    } finally {
      if (limit) connectionParameters.query_timeout = limit;
      this.#sending = undefined;
    }
    if (record.phase === 'unsent') return this.#leave();
    this.#pool.noteSent(this.#inFlight.length);
    this.#pool.watch(this);
  }

  /** Called from time to time. It sends queries behind a slow one again elsewhere, and gives up one beyond its limit. */
  look(now: number): void {
    const [head] = this.#inFlight;
    if (head === undefined) return;
    const ms = now - head.headSince;
    const limitMs = Number(this.#client.connectionParameters?.query_timeout) || Number.POSITIVE_INFINITY;
    if (!isOverdue(head, now) && ms < limitMs) return;
    this.#isClosed = true;
    for (const record of this.#inFlight.slice(1)) this.#runAgain(record);
    if (ms < limitMs || head.isSettled) return;
    // The words of `pg`, because apps compare the message.
    const error = new Error('Query read timeout');
    this.#settle(head, () => head.call.answered(error));
    const hold = this.#hold;
    this.#hold = undefined;
    hold?.release(error);
  }

  #listen(): void {
    const { connection } = this.#client;
    // Runs before `pg` processes the message.
    connection.on('message', (message: Message) => this.#received(message));
    this.#observe(false);
    // Runs after `pg`, which calls the caller back and makes the next query its active one.
    connection.on('readyForQuery', ({ status }: { readonly status?: string }) => {
      const isOurs = this.#isReady;
      this.#isReady = false;
      if (isOurs) this.#answerEnds(status);
    });
    // Queries without a callback from `pg` in the next ticks get none at all.
    connection.on('end', () => nextTick(() => this.#ended()));
    wrapMethod(this.#client, '_pulseQueryQueue', (original) => () => {
      if (this.#client.pipeline) this.#writeSending();
      original().call(this.#client);
    });
  }

  /** Whether `pg` emits each message. It costs time, so it is off while the connection is not shared. */
  #observe(isObserved: boolean): void {
    const { connection } = this.#client;
    connection._emitMessage = isObserved || connection.listenerCount('message') > 1;
  }

  #received(message: Message): void {
    if (this.isEmpty) return;
    switch (message.name) {
      case 'bindComplete':
        return this.#bound();
      case 'dataRow':
        return this.#row(message);
      case 'commandComplete':
        return void this.#advance('bound', 'complete', message.name);
      case 'error':
        return this.#failed();
      case 'readyForQuery':
        this.#isReady = true;
        return;
      // These may come at any time.
      case 'notice':
      case 'notification':
      case 'parameterStatus':
        return;
      default:
        this.#refuse(message.name);
    }
  }

  /** Writes the query that is being sent, and keeps others from being sent. */
  #writeSending(): void {
    const client = this.#client;
    const record = this.#sending;
    const queries = client._queryQueue.splice(0);
    if (queries.length === 0) return;
    const query = record && queries.pop();
    for (const other of queries) {
      this.#held.push(other);
      this.#isClosed = true;
    }
    if (record === undefined || query === undefined) return;
    this.#sending = undefined;
    if (!this.#isAsFound(query, record)) {
      this.#pool.noteRewritten();
      return (query.callback as Callback)(new RewrittenError());
    }
    record.query = query;
    record.phase = 'sent';
    const connection = connectionOf(client);
    // Set by the connection's last sole holder, only if the policy reports leaks.
    if (connection.lastStatement !== undefined) connection.lastStatement = record.run.text;
    this.#inFlight.push(record);
    this.#runs.write(record.run, query, () => {
      client._queryQueue.push(query);
      client._pulsePipelinedQueryQueue();
    });
    const isSent = client._activeQuery === query || client._sentQueryQueue.at(-1) === query;
    if (!isSent) this.#refuse('no query sent');
  }

  /** Whether it is still the query that was found to be fit: tools may rewrite what is sent. */
  #isAsFound(query: PgQuery, { run, values }: InFlight): boolean {
    const { name, rows, binary, types } = query;
    const isPlain = query.constructor === this.#Query && !name && !rows && !binary && !Array.isArray(types);
    return isPlain && query.text === run.text && query.values === values;
  }

  #bound(): void {
    const head = this.#advance('sent', 'bound', 'bindComplete');
    if (!head) return;
    head.wasBound = true;
    this.#runs.describe(head.run);
  }

  #row({ fieldCount = 0, length = 0 }: Message): void {
    const head = this.#advance('bound', 'bound', 'dataRow');
    if (!head) return;
    head.bytes += length;
    if (fieldCount !== head.run.shape.columns.fields.length) this.#refuse('row of another width');
  }

  /** Moves the first query from one phase to another for a message. In any other phase the message is a mismatch. */
  #advance(from: InFlight['phase'], to: InFlight['phase'], message: string): InFlight | undefined {
    const [head] = this.#inFlight;
    if (head === undefined) return undefined;
    if (head.phase !== from || this.#client._activeQuery !== head.query) {
      this.#refuse(message);
      return undefined;
    }
    head.phase = to;
    return head;
  }

  #failed(): void {
    const [head] = this.#inFlight;
    if (head) head.phase = 'failed';
  }

  #answerEnds(status: string | undefined): void {
    const [head] = this.#inFlight;
    if (head === undefined) return;
    const isOver = head.phase === 'complete' || head.phase === 'failed';
    if (!isOver || status !== 'I') return this.#refuse(`ReadyForQuery ${status}`);
    this.#inFlight.shift();
    const now = systemRuntime.now();
    if (head.phase === 'complete') {
      const isBehind = head.headSince !== head.sentAt;
      head.run.known.shortRead?.noteRun(now - head.headSince, head.bytes, isBehind);
    }
    const [next] = this.#inFlight;
    if (next) {
      next.headSince = now;
      this.#pool.noteWaitedBehind(now - next.sentAt);
    }
    // The holder of the connection has given up on it.
    if (this.#hold === undefined) return this.isEmpty ? this.#close() : undefined;
    this.#leave();
  }

  #calledBack(record: InFlight, error: unknown, result: unknown): void {
    if (record.isSettled) return;
    if (!error) {
      if (record !== this.#inFlight[0] || record.phase !== 'complete') return this.#refuse('result');
      return this.#settle(record, () => record.call.answered(undefined, result));
    }
    // The connection was lost. The first query may be the reason, as with a connection of its own; those behind it are not.
    const isLost = record.phase === 'sent' || record.phase === 'bound';
    const isOwn = isLost ? record === this.#inFlight[0] : record.phase !== 'unsent' && !this.#isForeign(record, error);
    this.#settle(record, () => (isOwn ? record.call.answered(error) : record.call.again()));
  }

  /** Whether an error of the server has nothing to do with the query itself. */
  #isForeign(record: InFlight, error: unknown): boolean {
    const now = systemRuntime.now();
    const { code } = error as ServerError;
    // No caller cancels a query so soon: the cancel was for the query before, and came late.
    if (code === QUERY_CANCELED) return now - record.headSince < OVERDUE_MS;
    return !record.wasBound && record.phase === 'failed' && this.#runs.failed(record.run, error as ServerError, now);
  }

  #runAgain(record: InFlight): void {
    if (!record.isSettled) this.#settle(record, () => record.call.again());
  }

  #settle(record: InFlight, callBack: () => void): void {
    record.isSettled = true;
    callBack();
  }

  /**
   * Called when this connection has finished a query. Data that was read with its answer is processed first, since it may be the
   * server's FATAL error.
   */
  #leave(): void {
    if (this.#answered++ === 0) soon(() => this.#report());
  }

  #report(): void {
    const answered = this.#answered;
    this.#answered = 0;
    if (this.#hold?.left(answered) && this.isEmpty) this.#close();
  }

  /** Called when the connection is not shared any more. */
  #close(): void {
    const hold = this.#hold;
    this.#hold = undefined;
    this.#client.pipeline = false;
    this.#observe(false);
    const held = this.#held.splice(0);
    if (held.length > 0) {
      this.#client._queryQueue.push(...held);
      this.#client._pulseQueryQueue();
    }
    hold?.release();
  }

  #ended(): void {
    const { connection } = this.#client;
    for (const query of this.#held.splice(0)) query.handleError(new Error('Connection terminated'), connection);
    for (const record of this.#inFlight.splice(0)) this.#runAgain(record);
    if (this.isOpen) this.#close();
  }

  /** Ends the connection after a message that does not belong to the query whose turn it is. No answer on this connection can be trusted any more. */
  #refuse(what: string): void {
    if (this.isEmpty) return;
    const [head] = this.#inFlight;
    const error = this.#pool.mismatch(`${what} for a query that is ${head?.phase}`);
    this.#isClosed = true;
    for (const record of this.#inFlight) this.#runAgain(record);
    this.#client.connection.stream.destroy(error);
  }
}
