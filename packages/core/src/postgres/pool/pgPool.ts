import type { EventEmitter } from 'node:events';
import pg from 'pg';
import type { CloseReason } from '../../lifecycle/state.js';
import { parsePolicy } from '../../policy/parsePolicy.js';
import { soon, systemRuntime } from '../../pool/clock.js';
import type { ConnectionInfo } from '../../pool/entry.js';
import type { Pool as Engine } from '../../pool/pool.js';
import { ENGINE } from '../../pool/processPools.js';
import type { PoolStats } from '../../pool/stats.js';
import { connectionOf, type PgConnection } from '../connection.js';
import type { SharedReads } from '../pipeline/sharedReads.js';
import { isOpen } from '../session.js';
import { placeOf, type TargetSettings, targetOf } from '../sharing/registry.js';
import { LENDER, type Lender, lenderOver } from './lender.js';
import { connectBy, type MutablePool, makeEngine, pristine } from './pgPoolEngine.js';
import {
  endedTwice,
  functionAsQuery,
  ROLLED_BACK,
  releasedTwice,
  toPgPoolError,
  usedAfterEnd,
  withCallerStack,
} from './pgPoolErrors.js';
import { effectiveOptions, fromPgPool, type PoolAdditions, type PoolConfig, stockOptions } from './pgPoolOptions.js';
import { PoolQueries } from './poolQueries.js';
import { callBack, fateAfterError, isError, noteOutcome, type Outcome, runQuery, throwOutside } from './query.js';

type Client = pg.PoolClient;
type Release = (error?: unknown) => void;
type ConnectCallback = (error: unknown, client: Client | undefined, release: Release) => void;

/** The members of pg-pool that stay in use. Its own lists of clients and callers stay empty. */
interface StockPool extends EventEmitter, MutablePool {
  readonly Promise: PromiseConstructor;
  ending: boolean;
  ended: boolean;
  connect(callback?: ConnectCallback): Promise<Client> | undefined;
  query(query: unknown, values?: unknown, callback?: Outcome): Promise<unknown> | undefined;
}

/** The peer's class, with the members used here: its own types have overloads and fields where `TenurePool` has a method and accessors. */
const StockPool = pg.Pool as unknown as new (config: pg.PoolConfig) => StockPool;

class TenurePool extends StockPool {
  static {
    // Libraries recognise a pool by `constructor.name`, and refuse one with another name.
    Object.defineProperty(TenurePool, 'name', { value: pg.Pool.name });
  }

  readonly #engine: Engine<Client>;
  /** Clients that are checked out, or were returned with something left on them and are being reset. */
  readonly #engaged = new Set<Client>();
  /** Answers the method `query`, as long as `connect` was not replaced. */
  readonly #queries: PoolQueries;
  #endCalled = false;
  /** Set when the warning about a transaction that `query` began was given. */
  #hasWarned = false;

  /** @param made where the app makes the pool, if not where it calls this constructor */
  constructor(config?: PoolConfig | null, made?: { readonly place: string | undefined }) {
    super(stockOptions(config ?? {}));
    // Read from the app's argument: in `this.options` pg-pool has filled in its own defaults.
    const policy = parsePolicy(process.env, config?.policy, fromPgPool(config ?? {}));
    Object.assign(this.options, effectiveOptions(policy));
    // A printed pool must not show its connection string. `pool.options` itself stays as pg-pool makes it, so that it can be spread.
    Object.defineProperty(this, 'options', {
      value: this.options,
      enumerable: false,
      writable: true,
      configurable: true,
    });
    const { place } = made ?? { place: placeOf(TenurePool, policy) };
    // No function here may refer to `this`: sockets hold the engine, and would keep an abandoned pool alive. One function that does is
    // enough, since all functions made in this constructor hold the same variables.
    const self = new WeakRef(this);
    const target = () => targetNow(self.deref());
    const emit = whileKept(self, (pool, event: string, client: Client) => pool.#emit(event, client));
    const { engine, reads } = makeEngine({
      pool: this,
      policy,
      emit,
      engaged: this.#engaged,
      identity: { place, target },
    });
    this.#queries = this.#queriesOver(engine, reads);
    this.#engine = engine
      .on(
        'closing',
        whileKept(self, (pool, client, reason, cause) => pool.#closing(client, reason, cause)),
      )
      .on(
        'closed',
        whileKept(self, (pool, client) => pool.#removed(client)),
      )
      .on(
        'rollback',
        whileKept(self, (pool, client) => pool.#rolledBack(client)),
      );
  }

  #queriesOver(engine: Engine<Client>, reads: SharedReads | undefined): PoolQueries {
    return new PoolQueries(engine, reads, {
      acquire: () => this.#acquire(),
      handedOut: (client) => this.#handedOut(client),
      takeBack: (client, connection, error) => this.#takeBack(client, connection, error),
      explained: (error) => this.#explained(error),
      isWatched: () => this.#isWatched,
    });
  }

  /** Calls pg-pool's own method, which tools replace, and which calls `newClient`. */
  override connect(callback?: ConnectCallback): Promise<Client> | undefined {
    if (!this.ending) return super.connect(callback);
    const refused = Promise.reject(usedAfterEnd(this.#engine.figures));
    if (!callback) return this.#promised(refused);
    refused.catch((error) => callBack(callback, error, undefined, () => {}));
    return undefined;
  }

  /** pg-pool's `connect` calls this while it has no idle client and is not full, which is always the case here. The client need not be new. */
  newClient({ callback }: { callback: ConnectCallback }): void {
    this.#acquire().then(
      (client) => {
        connectionOf(client).borrower.begin();
        this.#handedOut(client);
        client.release = this.#releaseOnce(client);
        callBack(callback, undefined, client, client.release as Release);
      },
      (error) => callBack(callback, this.#explained(error), undefined, () => {}),
    );
  }

  override query(query: unknown, values?: unknown, callback?: Outcome): Promise<unknown> | undefined {
    if (typeof query === 'function') {
      systemRuntime.nextTurn(() => query(functionAsQuery()));
      return undefined;
    }
    if (super.query !== pristine.query) return super.query(query, values, callback);
    if (typeof values === 'function') [values, callback] = [undefined, values as Outcome];
    const isOurs = this.connect === TenurePool.prototype.connect && super.connect === pristine.connect;
    const answer = isOurs ? this.#queries.run(query, values) : this.#answerThroughConnect(query, values);
    if (!callback) return this.#promised(answer);
    const outcome = callback;
    answer.then(
      (result) => callBack(outcome, undefined, result),
      (error) => callBack(outcome, error),
    );
    return undefined;
  }

  end(callback?: (error?: unknown) => void): Promise<void> | undefined {
    this.log('ending');
    const ended = this.#endCalled ? Promise.reject(endedTwice()) : this.drain();
    this.#endCalled = true;
    if (!callback) return this.#promised(ended);
    ended.then(
      () => callBack(callback),
      (error) => callBack(callback, error),
    );
    return undefined;
  }

  get [LENDER](): Lender<Client> {
    return lenderOver(this.#engine, {
      handedOut: (client) => this.#handedOut(client),
      takeBack: (client) => this.#takeBack(client, connectionOf(client), undefined),
    });
  }

  async drain(timeoutMs?: number): Promise<void> {
    this.ending = true;
    await this.#engine.drain(timeoutMs);
    this.ended = true;
  }

  get [ENGINE](): Engine<Client> {
    return this.#engine;
  }

  stats(): PoolStats {
    return this.#engine.stats();
  }

  connections(): ConnectionInfo[] {
    return this.#engine.connections();
  }

  invalidate(): void {
    this.#engine.invalidate();
  }

  /** Clients that are open or being opened. */
  get totalCount(): number {
    return this.connections().filter(({ state }) => state !== 'closing').length;
  }

  /** Clients that are not checked out. Those being checked or reset count, so that `totalCount` less `idleCount` is the number that callers hold. */
  get idleCount(): number {
    return this.connections().filter(({ state }) => state === 'idle' || state === 'checking' || state === 'returning')
      .length;
  }

  /** Callers that wait for a client that is checked out, as pg documents it. Those that wait for a connect are in `stats().waiting`. */
  get waitingCount(): number {
    const { max, used, waiting } = this.#engine.figures;
    return Math.max(0, waiting - Math.max(0, max - used));
  }

  /** Clients past their age but still in use. */
  get expiredCount(): number {
    const { maxAgeMs } = this.#engine.policy;
    return this.connections().filter(({ state, ageMs }) => state === 'used' && ageMs >= maxAgeMs).length;
  }

  /** Runs a query through a `connect` that the app or a tool has replaced, to set clients up or to count them. */
  async #answerThroughConnect(query: unknown, values: unknown): Promise<unknown> {
    try {
      const client = await connectBy((callback) => this.connect(callback));
      return await new Promise((resolve, reject) => {
        runQuery(client, query, values, (error, result) => {
          noteOutcome(connectionOf(client), error);
          client.release(error as Error | undefined);
          if (error) reject(error);
          else resolve(result);
        });
      });
    } catch (error) {
      throw withCallerStack(error);
    }
  }

  /** Not `async`: the promise of the engine is the only one that a checkout costs. */
  #acquire(): Promise<Client> {
    return this.ending ? Promise.reject(usedAfterEnd(this.#engine.figures)) : this.#engine.acquire();
  }

  #handedOut(client: Client): void {
    this.#engaged.add(client);
    this.#emit('acquire', client);
  }

  #releaseOnce(client: Client): Release {
    let released = false;
    return (error) => {
      if (released) throw releasedTwice();
      released = true;
      this.#takeBack(client, connectionOf(client), error);
    };
  }

  #takeBack(client: Client, connection: PgConnection, error: unknown): void {
    this.#emit('release', error, client);
    const fate = error ? fateAfterError(connection, error) : 'keep';
    if (fate === 'close') return this.#engine.discard(client);
    const { borrower } = connection;
    if (fate === 'renew') borrower.needsNewClient = true;
    borrower.isRefused ||= borrower.sawTransaction && !this.#isWatched;
    borrower.isReturned = this.#engine.policy.exitOnIdle;
    if (!error && isOpen(client)) this.#engaged.delete(client);
    const release = () => this.#engine.release(client, error || undefined);
    // The data from the socket may end with the server's FATAL error, and is only half processed at this point. Without the delay
    // a caller in line would get a connection that ends at once.
    if (this.#engine.figures.waiting > 0) soon(release);
    else release();
  }

  /** Emits the end of an idle client. A borrower gets it from the client or the query instead. */
  #closing(client: Client, reason: CloseReason, cause: unknown): void {
    const connection = connectionOf(client);
    const wasEndedByApp = connection.client._ending === true;
    if (reason !== 'broken' || this.#engaged.has(client) || wasEndedByApp) return;
    if (this.listenerCount('error') === 0) return;
    // The client's own error, as with pg-pool, since apps compare its message. The server's reason is its `cause`.
    const error = connection.errorOfEnd ?? (isError(cause) ? cause : connection.causeOfEnd());
    // pg-pool's errors have the client as well. It is not enumerable: a printed error would show the whole client.
    Object.defineProperty(error, 'client', { value: client, configurable: true, writable: true });
    this.#emit('error', error, client);
  }

  #removed(client: Client): void {
    this.#engaged.delete(client);
    if (!connectionOf(client).borrower.isRemoved) this.#emit('remove', client);
  }

  #rolledBack(client: Client): void {
    this.#emit('rollback', client);
    if (this.#hasWarned || !connectionOf(client).borrower.isPoolQuery) return;
    this.#hasWarned = true;
    this.#engine.warn(ROLLED_BACK);
  }

  /** Whether there are listeners to checkouts: they may send queries on a client at any time. */
  get #isWatched(): boolean {
    return this.listenerCount('acquire') + this.listenerCount('release') > 0;
  }

  #explained(error: unknown): unknown {
    return toPgPoolError(error, this.#engine.policy.acquireTimeoutMs);
  }

  /** Makes it an instance of the promise class that the app has chosen. */
  #promised<T>(promise: Promise<T>): Promise<T> {
    const Chosen = this.Promise;
    if (Chosen === Promise) return promise;
    return new Chosen<T>((resolve, reject) => {
      promise.then(resolve, reject);
    });
  }

  /** Emits an event. A listener that throws must not interrupt the pool in the middle of its work. */
  #emit(event: string, ...args: unknown[]): void {
    try {
      this.emit(event, ...args);
    } catch (error) {
      throwOutside(error);
    }
  }
}

function whileKept<P extends object, A extends unknown[]>(ref: WeakRef<P>, run: (pool: P, ...args: A) => void) {
  return (...args: A): void => {
    const pool = ref.deref();
    if (pool) run(pool, ...args);
  };
}

function targetNow(pool: MutablePool | undefined): TargetSettings | undefined {
  return pool && targetOf(pool.Client, pool.options, pg.Client);
}

const PoolClass = TenurePool as unknown as new (
  config?: PoolConfig | null,
  made?: { readonly place: string | undefined },
) => Pool;

/**
 * The pool of `pg` on Tenure's engine: `new Pool({ ...options of pg.Pool, policy })`. An instance of the peer's `pg.Pool`, with all its
 * properties, methods, events and callback forms.
 *
 * @throws TenurePolicyError with every problem, when a setting is not allowed
 */
export const Pool: new (config?: PoolConfig) => Pool = PoolClass;
export type Pool = pg.Pool & PoolAdditions;

/** A pool of an adapter, which the app has made at this place, named by `placeOf`. */
export function poolMadeAt(place: string | undefined, config: PoolConfig): Pool {
  return new PoolClass(config, { place });
}
