import type { EventEmitter } from 'node:events';
import pg from 'pg';
import type { CloseReason } from '../../lifecycle/state.js';
import { parsePolicy } from '../../policy/parsePolicy.js';
import { soon, systemRuntime } from '../../pool/clock.js';
import type { Pool as Engine } from '../../pool/pool.js';
import type { ConnectionInfo, PoolStats } from '../../pool/stats.js';
import { causeOfEnd, errorOfEnd } from '../connection.js';
import { enter, gateOf } from '../gate.js';
import { placeOf, type TargetSettings, targetOf } from '../sharing/registry.js';
import { isOpen } from '../status.js';
import { answered, isError, mayKeep } from './afterError.js';
import { connectBy, type MadePool, makePool, pristine } from './pgPoolEngine.js';
import {
  endedTwice,
  functionAsQuery,
  ROLLED_BACK,
  releasedTwice,
  toPgPoolError,
  traced,
  usedAfterEnd,
} from './pgPoolErrors.js';
import { fromPgPool, type PoolAdditions, type PoolConfig, stockOptions, trueOptions } from './pgPoolOptions.js';
import { callBack, type Outcome, runQuery, throwOutside } from './runQuery.js';

type Client = pg.PoolClient;
type Release = (error?: unknown) => void;
type ConnectCallback = (error: unknown, client: Client | undefined, release: Release) => void;

/** What pg-pool's constructor makes and we keep using. Its own lists of clients and callers stay empty. */
interface StockPool extends EventEmitter, MadePool {
  readonly Promise: PromiseConstructor;
  ending: boolean;
  ended: boolean;
  connect(callback?: ConnectCallback): Promise<Client> | undefined;
  query(query: unknown, values?: unknown, callback?: Outcome): Promise<unknown> | undefined;
}

/** The peer's class, described by what is ours to change: its types know overloads and fields where we have a method and accessors. */
const StockPool = pg.Pool as unknown as new (config: pg.PoolConfig) => StockPool;

class GovernedPool extends StockPool {
  static {
    // Libraries recognise a pool by `constructor.name`, and refuse one with a name that they do not know.
    Object.defineProperty(GovernedPool, 'name', { value: pg.Pool.name });
  }

  readonly #engine: Engine<Client>;
  /** Clients in a borrower's hands, or come back with something left on them that is being looked at. */
  readonly #engaged = new Set<Client>();
  #endCalled = false;
  /** Of a transaction that `query` began. */
  #hasWarned = false;

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
      )
      .on(
        'rollback',
        whileKept(self, (pool, client) => pool.#rolledBack(client)),
      );
  }

  /** pg-pool's own, for the tools that replace it; it comes to `newClient`. */
  override connect(callback?: ConnectCallback): Promise<Client> | undefined {
    if (!this.ending) return super.connect(callback);
    const refused = Promise.reject(usedAfterEnd(this.#engine.figures));
    if (!callback) return this.#promised(refused);
    refused.catch((error) => callBack(callback, error, undefined, () => {}));
    return undefined;
  }

  /** What pg-pool's `connect` calls while it has no idle client and is not full: always, here. The client may have served before. */
  newClient({ callback }: { callback: ConnectCallback }): void {
    this.#acquire().then(
      (client) => {
        enter(gateOf(client));
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
    const isOurs = this.connect === GovernedPool.prototype.connect && super.connect === pristine.connect;
    const answer = isOurs ? this.#answer(query, values) : this.#answerThroughConnect(query, values);
    if (!callback) return this.#promised(answer);
    const tell = callback;
    answer.then(
      (result) => callBack(tell, undefined, result),
      (error) => callBack(tell, error),
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

  async #answer(query: unknown, values: unknown): Promise<unknown> {
    try {
      const client = await this.#acquire();
      const gate = gateOf(client);
      // Only this query passes: nobody else has the client. Whoever listens to checkouts is given it, and may ask it for more.
      const wasShut = gate.isShut && !this.#isWatched;
      enter(gate);
      this.#handedOut(client);
      return await new Promise((resolve, reject) => {
        runQuery(client, query, values, (error, result) => {
          answered(client, error);
          this.#takeBack(client, error);
          if (error) reject(error);
          else resolve(result);
        });
        gate.isShut = wasShut;
      });
    } catch (error) {
      throw traced(this.#explained(error));
    }
  }

  /** Someone has replaced `connect`, to set clients up or to see who takes them. */
  async #answerThroughConnect(query: unknown, values: unknown): Promise<unknown> {
    try {
      const client = await connectBy((callback) => this.connect(callback));
      return await new Promise((resolve, reject) => {
        runQuery(client, query, values, (error, result) => {
          answered(client, error);
          client.release(error as Error | undefined);
          if (error) reject(error);
          else resolve(result);
        });
      });
    } catch (error) {
      throw traced(error);
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
    const gate = gateOf(client);
    // `pg` documents an error given to `release` as the end of the session. One of the client's own statements need not cost the connection.
    const isKept = !error || mayKeep(client, error);
    if (!isKept) return this.#engine.discard(client);
    gate.isShut ||= gate.sawTransaction && !this.#isWatched;
    gate.isResting = this.#engine.policy.exitOnIdle;
    if (!error && isOpen(client)) this.#engaged.delete(client);
    const release = () => this.#engine.release(client, error || undefined);
    // Called back in the middle of what was read from the socket, which may end with the server's goodbye: whoever waits for this connection
    // must not be the one to meet it.
    if (this.#engine.figures.waiting > 0) soon(release);
    else release();
  }

  /** Only an idle client's end is news of the pool's: a borrower hears of it on the client or from the query. */
  #closing(client: Client, reason: CloseReason, cause: unknown): void {
    if (reason !== 'broken' || this.#engaged.has(client) || wasEndedByApp(client)) return;
    if (this.listenerCount('error') === 0) return;
    // That of the client itself, as with pg-pool: apps compare its message. The server's reason is its `cause`.
    const error = errorOfEnd(client) ?? (isError(cause) ? cause : causeOfEnd(client));
    // pg-pool's errors have it too. Not for enumeration: a printed error would show the whole client.
    Object.defineProperty(error, 'client', { value: client, configurable: true, writable: true });
    this.#tell('error', error, client);
  }

  #removed(client: Client): void {
    this.#engaged.delete(client);
    if (!gateOf(client).isGone) this.#tell('remove', client);
  }

  #rolledBack(client: Client): void {
    this.#tell('rollback', client);
    if (this.#hasWarned || !gateOf(client).isPoolQuery) return;
    this.#hasWarned = true;
    process.emitWarning(ROLLED_BACK.message, { type: 'TenureWarning', code: ROLLED_BACK.code });
  }

  /** Whether someone listens to checkouts: such a listener may ask a client something at any time. */
  get #isWatched(): boolean {
    return this.listenerCount('acquire') + this.listenerCount('release') > 0;
  }

  #explained(error: unknown): unknown {
    return toPgPoolError(error, this.#engine.policy.acquireTimeoutMs);
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

/** Whether the app called `client.end()`. */
function wasEndedByApp(client: Client): boolean {
  return (client as { _ending?: boolean })._ending === true;
}

/**
 * The pool of `pg` on Tenure's engine: `new Pool({ ...options of pg.Pool, policy })`. An instance of the peer's `pg.Pool`, with all its
 * properties, methods, events and callback forms.
 *
 * @throws TenurePolicyError with every problem, when a setting cannot be followed
 */
export const Pool = GovernedPool as unknown as new (config?: PoolConfig) => Pool;
export type Pool = pg.Pool & PoolAdditions;

/** For an adapter: a pool that the app has made at this place, which `placeOf` has named. */
export function poolMadeAt(place: string | undefined, config: PoolConfig): Pool {
  return new GovernedPool(config, { place }) as unknown as Pool;
}
