import { EventEmitter, setMaxListeners } from 'node:events';
import { type PoolFigures, TenureUsageError } from '../../errors.js';
import type { Policy } from '../../policy/policy.js';
import type { Limits } from '../../policy/withLimits.js';
import type { AcquireOptions } from '../../pool/callers.js';
import { poolClosed } from '../../pool/diagnosis.js';
import type { PoolEvents, PoolWarning } from '../../pool/events.js';
import type { Pool as Engine } from '../../pool/pool.js';
import { systemRuntime } from '../../pool/runtime.js';
import type { ConnectionInfo, PoolStats } from '../../pool/stats.js';
import { useConnection } from '../../pool/useConnection.js';
import type { PgClient } from '../pgTypes.js';
import { type Audience, CommonPool, emitWarning, type Owner, type PoolParts } from './commonPool.js';
import { fingerprintOf, type Identity } from './identity.js';
import { type Listing, registry } from './registry.js';
import { notSharedWith, sharedWith } from './reports.js';

/** What a share asks of the face it belongs to: a `Pool`, or the pool of a Knex instance. */
export interface ShareHost<C extends object> {
  readonly policy: Policy;
  /** Makes the pool. What it makes must not hold on to the face. */
  make(): PoolParts<C>;
  /** What another pool must have in common with this one to be the same; `undefined` if that cannot be told. */
  identity(): Identity | undefined;
  /** Whether the face may still use a pool together with others. Cheap: asked at each acquire from such a pool. */
  mayShare(): boolean;
  /** Where in the app the face was made; asked for only when `leakAfterMs` is set. */
  site(): string | undefined;
}

type Events<C> = PoolEvents<C>;

interface Leavable {
  readonly engine: { drain(): Promise<void> };
  leave(owner: Owner): boolean;
}

/** Lets an owner that the app has forgotten leave. The pool is held weakly: it may itself lead to the owner. */
const forgotten = new FinalizationRegistry<{ pool: WeakRef<Leavable>; owner: Owner }>(({ pool, owner }) => {
  const left = pool.deref();
  if (!left?.leave(owner)) return;
  registry().withdraw(left);
  void left.engine.drain();
});

/** How a face takes its leave. */
interface Departure {
  /** It closes the pool. */
  readonly isLast: boolean;
  /** Settles when nobody has anything to do with this face any more. */
  readonly done: Promise<void>;
  /** Looks whether that is so. */
  readonly look: () => void;
}

/**
 * One face's share in a pool: the pool as this face sees it. Which pool that is, its own or one that others use too, is decided at the first
 * acquire.
 */
export class Share<C extends PgClient> implements Audience, Omit<Pick<Engine<C>, keyof Engine<C>>, 'on' | 'off'> {
  readonly #host: ShareHost<C>;
  readonly #owner: Owner = { face: new WeakRef<Audience>(this) };
  readonly #emitter = new EventEmitter();
  readonly #site: string | undefined;
  #pool: CommonPool<C> | undefined;
  /** What is looked at before anything was acquired. Becomes the pool, unless there is one to join. */
  #draft: CommonPool<C> | undefined;
  /** Connections of a pool that this share has left, and the callers there. */
  readonly #elsewhere = new Map<C, CommonPool<C>>();
  /** Callers in the line of a pool that others use too. */
  #waiting = 0;
  readonly #leaving = new AbortController();
  #left: Departure | undefined;

  constructor(host: ShareHost<C>) {
    this.#host = host;
    const { leakAfterMs, minConnections } = host.policy;
    if (leakAfterMs !== Number.POSITIVE_INFINITY) this.#site = host.site();
    setMaxListeners(0, this.#leaving.signal);
    // Warm from the start; but whoever has just made the pool may want to listen first.
    if (minConnections > 0) queueMicrotask(() => this.#settled());
  }

  get policy(): Policy {
    return this.#pool?.engine.policy ?? this.#host.policy;
  }

  acquire(options?: AcquireOptions): Promise<C> {
    const pool = this.#settled();
    return pool.isShared ? this.#acquireShared(options) : pool.engine.acquire(options);
  }

  release(connection: C, error?: unknown): void {
    this.#lenderOf(connection).release(connection, error);
    this.#gaveBack(connection);
  }

  discard(connection: C): void {
    this.#lenderOf(connection).discard(connection);
    this.#gaveBack(connection);
  }

  revoke(connection: C): void {
    this.#lenderOf(connection).revoke(connection);
    this.#gaveBack(connection);
  }

  use<T>(work: (connection: C) => T | Promise<T>, options?: AcquireOptions): Promise<T> {
    return useConnection(this, work, options);
  }

  /** Of the whole pool. Nothing, once this share has left it to others. */
  get figures(): PoolFigures {
    const { figures } = this.#view.engine;
    return this.#isElsewhere ? { ...figures, ...NOTHING } : figures;
  }

  /** Of the whole pool. */
  stats(): PoolStats {
    const { engine, owners } = this.#view;
    return { ...engine.stats(), ...this.figures, owners: this.#left ? 0 : owners };
  }

  /** Of the whole pool. */
  connections(): ConnectionInfo[] {
    return this.#isElsewhere ? [] : this.#view.engine.connections();
  }

  /** Callers of this face that are in line. */
  get waiting(): number {
    const pool = this.#view;
    return pool.isShared ? this.#waiting : pool.engine.figures.waiting;
  }

  /** Clients that are engaged, among all faces of the pool. */
  get engaged(): Set<C> {
    return this.#view.engaged;
  }

  /** Whether this face has had the connection last. Then what becomes of it is news of this face's. */
  hadLast(connection: C): boolean {
    const pool = this.#view;
    return !pool.isShared || pool.hadLast(connection) === this.#owner;
  }

  held(): C[] {
    const pool = this.#view;
    const here = pool.isShared ? pool.heldBy(this.#owner) : pool.engine.held();
    return [...here, ...this.#elsewhere.keys()];
  }

  resize(limits: Limits): void {
    this.#settled().engine.resize(limits);
  }

  invalidate(): void {
    this.#settled().engine.invalidate();
  }

  drain(timeoutMs = Number.POSITIVE_INFINITY): Promise<void> {
    // One that nobody has used joins nobody in order to leave.
    this.#pool ??= this.#draft ?? this.#own();
    const pool = this.#pool;
    this.#left ??= this.#leave(pool);
    if (Number.isFinite(timeoutMs)) systemRuntime.after(timeoutMs, () => this.#giveUpWork());
    return this.#left.isLast
      ? Promise.all([pool.engine.drain(timeoutMs), this.#left.done]).then(() => {})
      : this.#left.done;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.drain();
  }

  on<E extends keyof Events<C>>(event: E, listener: (...args: Events<C>[E]) => void): this {
    this.#emitter.on(event, listener as (...args: unknown[]) => void);
    return this;
  }

  off<E extends keyof Events<C>>(event: E, listener: (...args: Events<C>[E]) => void): this {
    this.#emitter.off(event, listener as (...args: unknown[]) => void);
    return this;
  }

  tell(event: string, args: readonly unknown[]): boolean {
    const listeners = this.#emitter.listeners(event);
    for (const listener of listeners) {
      try {
        listener(...args);
      } catch (error) {
        // As an uncaught exception, and keeping none of the others from hearing.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    return listeners.length > 0;
  }

  look(): void {
    this.#left?.look();
  }

  /** The others go on with the pool that this share has left. */
  get #isElsewhere(): boolean {
    return this.#left?.isLast === false;
  }

  /** To look at a pool decides nothing. One that is to be warm from the start opens as soon as it is there, so it is decided on. */
  get #view(): CommonPool<C> {
    if (this.#pool) return this.#pool;
    if (this.#host.policy.minConnections > 0) return this.#settled();
    this.#draft ??= this.#own();
    return this.#draft;
  }

  #settled(): CommonPool<C> {
    this.#pool ??= this.#decide();
    return this.#pool;
  }

  #decide(): CommonPool<C> {
    const { policy } = this.#host;
    const identity = policy.share ? this.#host.identity() : undefined;
    const own = () => this.#draft ?? this.#own();
    if (identity === undefined) return own();
    const known = registry();
    const fingerprint = fingerprintOf(identity, known);
    const found = this.#joinable(known.find(fingerprint.key));
    if (found) {
      this.#warn(sharedWith(found, identity, this.#site));
      return this.#partOf(found.pool.deref() as CommonPool<C>);
    }
    this.#warn(notSharedWith(fingerprint, identity, this.#site, known));
    const pool = own();
    known.list({ pool: new WeakRef(pool), fingerprint, site: this.#site, told: false });
    return this.#partOf(pool);
  }

  /** Joins the pool that is listed, if it is still there and still what the list says. */
  #joinable(listing: Listing | undefined): Listing | undefined {
    const pool = listing?.pool.deref() as CommonPool<C> | undefined;
    if (listing === undefined || pool === undefined) return undefined;
    const founder = pool.loneFounder?.face.deref() as Share<C> | undefined;
    if (founder?.hasChangedFrom(listing)) {
      registry().withdraw(pool);
      return undefined;
    }
    return pool.join(this.#owner) ? listing : undefined;
  }

  /** Whether the face would be another today: apps change options, and begin to listen. */
  hasChangedFrom({ fingerprint }: Listing): boolean {
    const identity = this.#host.identity();
    return identity === undefined || fingerprintOf(identity, registry()).key !== fingerprint.key;
  }

  #own(): CommonPool<C> {
    return new CommonPool(this.#host.make(), this.#owner);
  }

  #partOf(pool: CommonPool<C>): CommonPool<C> {
    forgotten.register(this, { pool: new WeakRef<Leavable>(pool), owner: this.#owner }, this.#owner);
    return pool;
  }

  async #acquireShared(options: AcquireOptions = {}): Promise<C> {
    if (this.#left) throw poolClosed(this.figures);
    if (!this.#host.mayShare()) return this.#secede().engine.acquire(options);
    const pool = this.#settled();
    const leaving = this.#leaving.signal;
    const signal = options.signal ? AbortSignal.any([options.signal, leaving]) : leaving;
    this.#waiting++;
    try {
      const connection = await pool.acquireFor(this.#owner, { ...options, signal });
      if (pool !== this.#pool) this.#elsewhere.set(connection, pool);
      return connection;
    } catch (error) {
      // Its owners have closed the pool that this share had left.
      if (pool !== this.#pool && isClosed(error) && !this.#left) return this.acquire(options);
      throw error;
    } finally {
      this.#waiting--;
      this.look();
    }
  }

  /** Goes on with a pool of its own. What it holds goes back to where it came from. */
  #secede(): CommonPool<C> {
    const pool = this.#settled();
    forgotten.unregister(this.#owner);
    for (const connection of pool.heldBy(this.#owner)) this.#elsewhere.set(connection, pool);
    if (pool.leave(this.#owner)) {
      registry().withdraw(pool);
      void pool.engine.drain();
    }
    this.#pool = this.#own();
    return this.#pool;
  }

  #leave(pool: CommonPool<C>): Departure {
    forgotten.unregister(this.#owner);
    const isLast = pool.leave(this.#owner);
    if (isLast) registry().withdraw(pool);
    let resolve!: () => void;
    const done = new Promise<void>((settle) => {
      resolve = settle;
    });
    const look = () => {
      if (this.#waiting === 0 && (isLast ? this.#elsewhere.size : this.held().length) === 0) resolve();
    };
    look();
    return { isLast, done, look };
  }

  /** The time that a drain had is over: this face's callers in line are refused, and what they hold is dropped. */
  #giveUpWork(): void {
    this.#leaving.abort(poolClosed(this.figures));
    for (const connection of this.held()) this.revoke(connection);
  }

  /** Who is to take a connection back: the pool that lent it to this face. */
  #lenderOf(connection: C): Engine<C> {
    const pool = this.#elsewhere.get(connection) ?? this.#settled();
    if (!pool.isShared || pool.hadLast(connection) === this.#owner) return pool.engine;
    throw new TenureUsageError('Released a connection that this pool has not handed out.');
  }

  #gaveBack(connection: C): void {
    if (this.#elsewhere.size > 0) this.#elsewhere.delete(connection);
    this.look();
  }

  #warn(warning: PoolWarning | undefined): void {
    if (warning === undefined) return;
    queueMicrotask(() => {
      if (!this.tell('warning', [warning])) emitWarning(warning);
    });
  }
}

const NOTHING = { used: 0, idle: 0, opening: 0, busy: 0, waiting: 0 };

/** By its code: the pool may belong to another copy of this package. */
function isClosed(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === 'TENURE_CLOSED';
}
