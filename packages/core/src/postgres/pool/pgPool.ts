import type { EventEmitter } from 'node:events';
import { types } from 'node:util';
import pg from 'pg';
import type { RetireReason } from '../../lifecycle/connectionState.js';
import { parsePolicy } from '../../policy/parsePolicy.js';
import { fromPgPool } from '../../policy/pgPool.js';
import type { Policy } from '../../policy/policy.js';
import type { ConnectionInfo, PoolStats } from '../../pool/stats.js';
import type { PoolParts } from '../sharing/commonPool.js';
import { type Identity, identityOf, policySettings } from '../sharing/identity.js';
import { Share } from '../sharing/share.js';
import { placeOf } from '../sharing/site.js';
import { isOpen } from '../status.js';
import { causeOfEnd } from '../watch.js';
import { callBack, throwOutside } from './callBack.js';
import { makePool } from './makePool.js';
import { type PoolConfig, stockOptions, trueOptions } from './options.js';
import { endedTwice, functionAsQuery, releasedTwice, toPgPoolError, traced, usedAfterEnd } from './pgPoolErrors.js';
import { type Outcome, runQuery } from './runQuery.js';

type Client = pg.PoolClient;
type Release = (error?: unknown) => void;
type ConnectCallback = (error: unknown, client: Client | undefined, release: Release) => void;

/** What pg-pool's constructor makes and we keep using. Its own lists of clients and callers stay empty. */
interface StockPool extends EventEmitter {
  readonly options: pg.PoolConfig;
  readonly Client: new (config: pg.ClientConfig) => Client;
  readonly Promise: PromiseConstructor;
  log(...messages: unknown[]): void;
  ending: boolean;
  ended: boolean;
}

/** The peer's class, described by what is ours to change: its types know overloads and fields where we have a method and accessors. */
const StockPool = pg.Pool as unknown as new (config: pg.PoolConfig) => StockPool;

class GovernedPool extends StockPool {
  readonly #engine: Share<Client>;
  #endCalled = false;

  constructor(config?: PoolConfig | null) {
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
    const place = placeOf(new.target);
    const { password } = this.options;
    this.#engine = new Share<Client>({
      policy,
      make: () => this.#makePool(policy),
      identity: () => this.#identity(policy),
      mayShare: () => !this.#isWatched && this.options.password === password,
      site: place,
    });
    this.#engine
      .on('closing', (client, reason, cause) => this.#closing(client, reason, cause))
      .on('closed', (client) => this.#removed(client));
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
    const { max, used } = this.#engine.figures;
    const { waiting } = this.#engine;
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
    this.#engine.engaged.add(client);
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
    if (!error && isOpen(client)) this.#engine.engaged.delete(client);
    const release = () => this.#engine.release(client, error || undefined);
    // Called back in the middle of what was read from the socket, which may end with the server's goodbye: whoever waits for this connection
    // must not be the one to meet it.
    if (this.#engine.waiting > 0) queueMicrotask(release);
    else release();
  }

  /** Only an idle client's end is news of the pool's: a borrower hears of it on the client or from the query. */
  #closing(client: Client, reason: RetireReason, cause: unknown): void {
    if (reason !== 'broken' || this.#engine.engaged.has(client) || wasEndedByApp(client)) return;
    if (this.listenerCount('error') === 0 || !this.#engine.hadLast(client)) return;
    const error = isError(cause) ? cause : causeOfEnd(client);
    // pg-pool's errors have it too. Not for enumeration: a printed error would show the whole client.
    Object.defineProperty(error, 'client', { value: client, configurable: true, writable: true });
    this.#tell('error', error, client);
  }

  #removed(client: Client): void {
    this.#engine.engaged.delete(client);
    if (this.#engine.hadLast(client)) this.#tell('remove', client);
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

  /** Whether someone listens to what only a pool of one's own can tell: each connect, and each checkout. */
  get #isWatched(): boolean {
    return this.listenerCount('connect') + this.listenerCount('acquire') + this.listenerCount('release') > 0;
  }

  /** What another pool must have in common with this one to be the same. */
  #identity(policy: Policy): Identity | undefined {
    try {
      const { Client, options } = this;
      const { target, settings } = identityOf(Client, options, pg.Client);
      // Like nobody else's.
      const listeners = this.#isWatched ? this : undefined;
      return { target, settings: { kind: 'pg.Pool', ...settings, ...policySettings(policy), listeners } };
    } catch {
      // What `pg` makes of these options it will say itself when it connects.
      return undefined;
    }
  }

  /** The pool behind the face, which must not keep the face: the app may forget it while others use the pool. */
  #makePool(policy: Policy): PoolParts<Client> {
    const face = new WeakRef(this);
    const tell = (event: string, client: Client) => {
      const told = face.deref();
      if (told) told.#tell(event, client);
    };
    const { Client, options, log } = this;
    return makePool({ Client, options, log, policy, tell });
  }
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
