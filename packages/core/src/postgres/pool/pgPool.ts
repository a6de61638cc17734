import type { EventEmitter } from 'node:events';
import { types } from 'node:util';
import pg from 'pg';
import type { RetireReason } from '../../lifecycle/connectionState.js';
import { parsePolicy } from '../../policy/parsePolicy.js';
import { fromPgPool } from '../../policy/pgPool.js';
import type { Pool as Engine } from '../../pool/pool.js';
import type { ConnectionInfo, PoolStats } from '../../pool/stats.js';
import { placeOf, type TargetSettings, targetOf } from '../sharing/identity.js';
import { isOpen } from '../status.js';
import { causeOfEnd } from '../watch.js';
import { callBack, throwOutside } from './callBack.js';
import { type MadePool, makePool } from './makePool.js';
import { type PoolConfig, stockOptions, trueOptions } from './options.js';
import { endedTwice, functionAsQuery, releasedTwice, toPgPoolError, traced, usedAfterEnd } from './pgPoolErrors.js';
import { type Outcome, runQuery } from './runQuery.js';

type Client = pg.PoolClient;
type Release = (error?: unknown) => void;
type ConnectCallback = (error: unknown, client: Client | undefined, release: Release) => void;

/** What pg-pool's constructor makes and we keep using. Its own lists of clients and callers stay empty. */
interface StockPool extends EventEmitter, MadePool {
  readonly Promise: PromiseConstructor;
  ending: boolean;
  ended: boolean;
}

/** The peer's class, described by what is ours to change: its types know overloads and fields where we have a method and accessors. */
const StockPool = pg.Pool as unknown as new (config: pg.PoolConfig) => StockPool;

class GovernedPool extends StockPool {
  readonly #engine: Engine<Client>;
  /** Clients in a borrower's hands, or come back with something left on them that is being looked at. */
  readonly #engaged = new Set<Client>();
  #endCalled = false;

  /** @param made where the app makes the pool, if that is not where this constructor is called */
  constructor(config?: PoolConfig | null, made?: { readonly place: string | undefined }) {
    super(stockOptions(config ?? {}));
    // From what the app wrote, not from `this.options`: there pg-pool has filled in its own defaults.
    const policy = parsePolicy(process.env, config?.policy, fromPgPool(config ?? {}));
    Object.assign(this.options, trueOptions(policy));
    // Whoever prints the pool does not want to print its connection string. For spreading, `pool.options` stays as pg-pool has it.
    Object.defineProperty(this, 'options', {
      value: this.options,
      enumerable: false,
      writable: true,
      configurable: true,
    });
    const { place } = made ?? { place: placeOf(GovernedPool, policy) };
    // No function here may refer to `this`: sockets hold the engine, and an app that forgets the pool does not end it.
    const self = new WeakRef(this);
    const target = () => targetNow(self.deref());
    const tell = whileKept(self, (pool, event: string, client: Client) => pool.#tell(event, client));
    this.#engine = makePool({ pool: this, policy, tell, engaged: this.#engaged, identity: { place, target } })
      .on(
        'closing',
        whileKept(self, (pool, ...closing) => pool.#closing(...closing)),
      )
      .on(
        'closed',
        whileKept(self, (pool, client) => pool.#removed(client)),
      );
  }

  connect(callback?: ConnectCallback): Promise<Client> | undefined {
    const lent = this.#lend();
    if (!callback) return this.#promised(lent);
    lent.then(
      (client) => callBack(callback, undefined, client, client.release as Release),
      (error) => callBack(callback, error, undefined, () => {}),
    );
    return undefined;
  }

  query(query: unknown, values?: unknown, callback?: Outcome): Promise<unknown> | undefined {
    if (typeof query === 'function') {
      setImmediate(() => query(functionAsQuery()));
      return undefined;
    }
    if (typeof values === 'function') return this.query(query, undefined, values as Outcome);
    const answer = this.#answer(query, values);
    if (!callback) return this.#promised(answer);
    answer.then(
      (result) => callBack(callback, undefined, result),
      (error) => callBack(callback, error),
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

  async drain(timeoutMs?: number): Promise<void> {
    this.ending = true;
    await this.#engine.drain(timeoutMs);
    this.ended = true;
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

  /** Open or being opened. */
  get totalCount(): number {
    return this.connections().filter(({ state }) => state !== 'closing').length;
  }

  /** In nobody's hands: what is being checked or tidied up counts, as `totalCount` less `idleCount` is what callers hold. */
  get idleCount(): number {
    return this.connections().filter(({ state }) => state === 'idle' || state === 'checking' || state === 'returning')
      .length;
  }

  /** As pg documents it: those who wait for a client that is checked out. Who only waits for a connect is in `stats().waiting`. */
  get waitingCount(): number {
    const { max, used, waiting } = this.#engine.figures;
    return Math.max(0, waiting - Math.max(0, max - used));
  }

  /** Past their age but still in use. */
  get expiredCount(): number {
    const { maxAgeMs } = this.#engine.policy;
    return this.connections().filter(({ state, ageMs }) => state === 'used' && ageMs >= maxAgeMs).length;
  }

  async #lend(): Promise<Client> {
    try {
      const client = await this.#acquire();
      this.#handedOut(client);
      client.release = this.#releaseOnce(client);
      return client;
    } catch (error) {
      throw this.#explained(error);
    }
  }

  async #answer(query: unknown, values: unknown): Promise<unknown> {
    try {
      const client = await this.#acquire();
      this.#handedOut(client);
      return await new Promise((resolve, reject) => {
        runQuery(client, query, values, (error, result) => {
          this.#takeBack(client, error);
          if (error) reject(error);
          else resolve(result);
        });
      });
    } catch (error) {
      throw this.#explained(error);
    }
  }

  /** Not `async`: the promise of the engine is the only one that a checkout costs. */
  #acquire(): Promise<Client> {
    return this.ending ? Promise.reject(usedAfterEnd(this.#engine.figures)) : this.#engine.acquire();
  }

  #handedOut(client: Client): void {
    this.#engaged.add(client);
    this.#tell('acquire', client);
  }

  #releaseOnce(client: Client): Release {
    let released = false;
    return (error) => {
      if (released) throw releasedTwice();
      released = true;
      this.#takeBack(client, error);
    };
  }

  #takeBack(client: Client, error: unknown): void {
    this.#tell('release', error, client);
    // What follows an error on the wire decides about the connection. Anything else that is true is an order to close it.
    if (error && !isError(error)) return this.#engine.discard(client);
    if (!error && isOpen(client)) this.#engaged.delete(client);
    const release = () => this.#engine.release(client, error || undefined);
    // Called back in the middle of what was read from the socket, which may end with the server's goodbye: whoever waits for this connection
    // must not be the one to meet it.
    if (this.#engine.figures.waiting > 0) queueMicrotask(release);
    else release();
  }

  /** Only an idle client's end is news of the pool's: a borrower hears of it on the client or from the query. */
  #closing(client: Client, reason: RetireReason, cause: unknown): void {
    if (reason !== 'broken' || this.#engaged.has(client) || wasEndedByApp(client)) return;
    if (this.listenerCount('error') === 0) return;
    const error = isError(cause) ? cause : causeOfEnd(client);
    // pg-pool's errors have it too. Not for enumeration: a printed error would show the whole client.
    Object.defineProperty(error, 'client', { value: client, configurable: true, writable: true });
    this.#tell('error', error, client);
  }

  #removed(client: Client): void {
    this.#engaged.delete(client);
    this.#tell('remove', client);
  }

  #explained(error: unknown): unknown {
    return traced(toPgPoolError(error, this.#engine.policy.acquireTimeoutMs));
  }

  /** With the class of promises that the app has chosen. */
  #promised<T>(promise: Promise<T>): Promise<T> {
    const Chosen = this.Promise;
    if (Chosen === Promise) return promise;
    return new Chosen<T>((resolve, reject) => {
      promise.then(resolve, reject);
    });
  }

  /** A listener that throws must not stop the pool in the middle of its work. */
  #tell(event: string, ...args: unknown[]): void {
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

function targetNow(pool: MadePool | undefined): TargetSettings | undefined {
  return pool && targetOf(pool.Client, pool.options, pg.Client);
}

/** Also one from another realm, such as a test runner's. */
function isError(error: unknown): error is Error {
  return error instanceof Error || types.isNativeError(error);
}

/** Whether the app called `client.end()`. */
function wasEndedByApp(client: Client): boolean {
  return (client as { _ending?: boolean })._ending === true;
}

/** A `pg.Pool` that keeps its healthy connections, checks them before reuse, and tells what it does. */
export interface Pool extends pg.Pool {
  /** Figures of this moment, counters since the start, and where each setting came from. */
  stats(): PoolStats;
  /** Every connection: its backend, state, age, idle time, uses and checks. */
  connections(): ConnectionInfo[];
  /** Replaces every connection, gracefully: idle ones now, the others when they come back. */
  invalidate(): void;
  /**
   * Closes the pool like `end()`, with a time limit and as often as you like: those in line are served, later ones refused.
   *
   * @param timeoutMs how many milliseconds all that may take before those in line are refused and the connections are dropped; default: no limit
   */
  drain(timeoutMs?: number): Promise<void>;
}

/**
 * The pool of `pg` on Tenure's engine: `new Pool({ ...options of pg.Pool, policy })`. An instance of the peer's `pg.Pool`, with all its
 * properties, methods, events and callback forms.
 *
 * @throws TenurePolicyError with every problem, when a setting cannot be followed
 */
export const Pool = GovernedPool as unknown as new (config?: PoolConfig) => Pool;

/** For an adapter: a pool that the app has made at this place, which `placeOf` has named. */
export function poolMadeAt(place: string | undefined, config: PoolConfig): Pool {
  return new GovernedPool(config, { place }) as unknown as Pool;
}
