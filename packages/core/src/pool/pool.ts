import { type PoolFigures, TenureUsageError } from '../errors.js';
import { hasBudget, type Limits } from '../policy/limits.js';
import type { Policy } from '../policy/policy.js';
import { Budget } from './budget.js';
import { areAcquiresObserved } from './channels.js';
import { Checkout } from './checkout.js';
import { type Runtime, systemRuntime } from './clock.js';
import { Connections, Successors } from './connections.js';
import type { Connector } from './connector.js';
import { Context } from './context.js';
import { Crowding } from './crowding.js';
import type { ConnectionInfo } from './entry.js';
import type { PoolEvents } from './events.js';
import { identityOf } from './identity.js';
import { InFlightCheck } from './inFlightCheck.js';
import { Maintenance } from './maintenance.js';
import { connectRefused, type PoolWarning, poolClosed, tooManyWaiting } from './messages.js';
import { Opener } from './opener.js';
import { dropOne } from './operations.js';
import { processPools } from './processPools.js';
import { type LimitMember, Membership, type SharedLimit } from './sharedLimit.js';
import { SharedUse } from './sharedUse.js';
import { type Histogram, type PoolStats, takeStats } from './stats.js';
import { PendingChecks } from './timeLimit.js';
import type { UseObserver } from './uses.js';
import { type AcquireOptions, unusableTimeout, WaitQueue } from './waitQueue.js';

/**
 * A pool of connections.
 *
 * The pure rules in `lifecycle/` decide. The parts carry it out, each built on those before it: `Connections` has the
 * connections, and `WaitQueue` the callers that wait. `Checkout` lends and takes back, `Opener` opens, `Maintenance` does what
 * time causes. After each event `#run` brings callers and connections together.
 */
export class Pool<C extends object> {
  readonly #context: Context<C>;
  readonly #connections: Connections<C>;
  readonly #queue: WaitQueue<C>;
  readonly #checkout: Checkout<C>;
  readonly #crowding: Crowding<C>;
  readonly #opener: Opener<C>;
  readonly #maintenance: Maintenance<C>;
  /** `undefined` unless the policy allows callers to share connections. For hosts of the pool; unstable. */
  readonly sharing: SharedUse<C> | undefined;
  /** Connections that a drain took from their holders. Their release then does nothing. */
  readonly #revoked = new WeakSet<C>();
  readonly #unlist: () => void;
  #drained: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;

  /** @param findLimit finds the limit that the pool shares with others, if there is one */
  constructor(
    connector: Connector<C>,
    policy: Policy,
    runtime: Runtime = systemRuntime,
    findLimit: () => SharedLimit | undefined = () => undefined,
  ) {
    const membership = new Membership(findLimit);
    const context = new Context(connector, policy, runtime, membership);
    connector.usePolicy?.(policy, context.report);
    const connections = new Connections(context);
    const queue = new WaitQueue(context, connections);
    const checks = new PendingChecks(context, () => queue.isStuck);
    const successors = new Successors(context, connections);
    const checkout = new Checkout(context, connections, queue, checks, successors);
    const crowding = new Crowding(context, connections);
    const opener = new Opener(context, { connections, queue, checks, successors, checkout, crowding });
    const inFlight = new InFlightCheck(context, connections, checkout, opener);
    const maintenance = new Maintenance(context, { connections, checkout, successors, inFlight });
    this.#maintenance = maintenance;
    if (policy.pipeline !== 'none') {
      const refuse = (now: number) => this.#refuse(now);
      this.sharing = new SharedUse(context, { connections, queue, refuse });
    }
    if (hasBudget(policy)) context.budget = Budget.join(context, { connections, queue, checkout, maintenance });
    this.#context = context;
    this.#connections = connections;
    this.#queue = queue;
    this.#checkout = checkout;
    this.#crowding = crowding;
    this.#opener = opener;
    membership.begin(memberOf(context, connections));
    if (policy.minConnections > 0) membership.join();
    context.channels.start(() => ({ ...identityOf(this.policy, connector), ...this.figures }));
    this.#unlist = processPools().add(this);
    context.loop.start((now) => this.#run(now));
    context.loop.request(runtime.now());
  }

  get policy(): Policy {
    return this.#context.policy;
  }

  /**
   * Lends a connection that was checked as the policy requires, as soon as there is one. Return it with `release`.
   *
   * @throws TenureTimeoutError when no connection came free in time
   * @throws TenureUnreachableError when the database cannot be reached
   * @throws TenureConnectError when the server refuses this client
   * @throws TenureTooManyWaitingError when `maxWaiting` callers wait already
   * @throws TenureClosedError when the pool is closing
   */
  acquire(options?: AcquireOptions): Promise<C> {
    if (areAcquiresObserved()) return this.#context.channels.traceAcquire(() => this.#acquire(options));
    return this.#acquire(options);
  }

  #acquire(options: AcquireOptions | undefined): Promise<C> {
    if (options?.signal?.aborted) return Promise.reject(options.signal.reason);
    const unusable = unusableTimeout(options?.timeoutMs);
    if (unusable) return Promise.reject(unusable);
    const { clock, runtime, membership, loop } = this.#context;
    const stack = this.#context.stackAbove(this.acquire);
    const fresh = this.#queue.length === 0 ? this.#checkout.takeFresh(clock.read(), stack) : undefined;
    if (fresh) return fresh;
    const now = runtime.now();
    const error = this.#refuse(now, options?.timeoutMs);
    if (error) return Promise.reject(error);
    membership.join();
    const promise = this.#queue.join(now, stack, options);
    loop.request(now);
    return promise;
  }

  /**
   * Returns a connection.
   *
   * @param error the error that its holder met, if any. It does not close the connection: the server's next message decides
   * @throws TenureUsageError when this pool has not lent the connection, or it was released already
   */
  release(connection: C, error?: unknown): void {
    const entry = this.#connections.find(connection);
    if (entry?.kind !== 'used') return this.#rejectRelease(connection);
    this.#checkout.takeBack(entry, error, this.#context.clock.read());
  }

  /**
   * Returns a connection to be closed, in any state: for a fault that the caller has seen and the pool cannot see. Counts as
   * `discarded`.
   *
   * @throws TenureUsageError when this pool has not lent the connection, or it was released already
   */
  discard(connection: C): void {
    const entry = this.#connections.find(connection);
    if (entry?.kind !== 'used') return this.#rejectRelease(connection);
    this.#connections.close(entry, 'discarded');
    this.#context.loop.request(this.#context.runtime.now());
  }

  /** Runs `work` with a connection, and returns the connection in any case. */
  async use<T>(work: (connection: C) => T | Promise<T>, options?: AcquireOptions): Promise<T> {
    const connection = await this.acquire(options);
    let result: T;
    try {
      result = await work(connection);
    } catch (error) {
      this.release(connection, error);
      throw error;
    }
    this.release(connection);
    return result;
  }

  /** Figures of this moment. Cheap enough to be read for every request. */
  get figures(): PoolFigures {
    return this.#connections.figures(this.#queue.length);
  }

  /** Figures of this moment, counters since the start, and the source of each setting. */
  stats(): PoolStats {
    const { counters, policy, connector, membership, budget } = this.#context;
    return takeStats({ ...identityOf(policy, connector), ...this.figures }, counters, policy, {
      owners: membership.owners,
      pooler: connector.pooler?.() ?? 'unknown',
      budget: budget?.stats ?? null,
      statements: connector.statementStats?.(),
      pipelined: connector.pipelineStats?.(),
    });
  }

  /** For viewers of the whole process; unstable. */
  get waits(): Histogram {
    return this.#context.counters.waits;
  }

  /** Every connection: its backend, state, age, idle time, uses and checks. */
  connections(): ConnectionInfo[] {
    const now = this.#context.runtime.now();
    return Array.from(this.#connections.entries, (entry) => this.#connections.describe(entry, now));
  }

  /**
   * Changes the pool's limits while it runs. Connections above a smaller maximum are closed when they are returned.
   *
   * @throws TenurePolicyError when the limits do not fit together
   */
  resize(limits: Limits): void {
    this.#context.resize(limits);
    if (!this.#connections.isClosing) this.#maintenance.run();
  }

  /** Replaces every connection, gracefully: idle ones now, the others when they come back. */
  invalidate(): void {
    this.#connections.generation++;
    if (!this.#connections.isClosing) this.#maintenance.run();
  }

  /**
   * Closes the pool: refuses new callers, serves those in line, waits for work in progress, closes all connections. A second call
   * can only add a time limit.
   *
   * @param timeoutMs milliseconds after which callers in line are refused and connections are dropped; default: no limit
   */
  drain(timeoutMs = Number.POSITIVE_INFINITY): Promise<void> {
    this.#drained ??= this.#startDraining();
    if (Number.isFinite(timeoutMs)) this.#context.runtime.after(timeoutMs, () => this.#dropAll());
    return this.#drained.promise;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.drain();
  }

  /** Adds a listener for an event of `PoolEvents`. */
  on<E extends keyof PoolEvents<C>>(event: E, listener: (...args: PoolEvents<C>[E]) => void): this {
    this.#context.events.on(event, listener);
    return this;
  }

  off<E extends keyof PoolEvents<C>>(event: E, listener: (...args: PoolEvents<C>[E]) => void): this {
    this.#context.events.off(event, listener);
    return this;
  }

  /** Starts timing checkouts and returns, for a package that measures. @returns a function that ends it */
  observe(observer: UseObserver): () => void {
    return this.#context.uses.observe(observer);
  }

  /** Emits a warning like one of the pool's own, for the host of this pool. */
  warn(warning: PoolWarning): void {
    this.#context.events.warn(warning);
  }

  /** Brings callers and connections together, and opens what is missing. */
  #run(now: number): void {
    if (this.#connections.isClosing) return this.#finishDraining();
    this.#checkout.serve(now);
    if (this.sharing !== undefined) this.sharing.serve(now);
    // A full pool may hold a place for a connect that will be cancelled.
    if (!this.#connections.isFull || this.#connections.opening > 0) this.#opener.grow(now);
    this.#context.membership.request(this.#connections.lacking(this.#queue.length));
    this.#context.budget?.ran(now);
  }

  /** Why a caller is refused at once. */
  #refuse(now: number, waitMs = this.#context.policy.acquireTimeoutMs): Error | undefined {
    if (this.#drained) return poolClosed(this.figures);
    const { counters, policy, limits, server, loop } = this.#context;
    const isInVain = server.failFast(this.#connections.open, waitMs, policy, now) !== undefined;
    // Callers who can be served without the return of a connection do not count as waiting.
    const prospects = Math.max(0, limits.maxConnections - this.#connections.engaged);
    if (!isInVain && this.#queue.length - prospects < policy.maxWaiting) return undefined;
    counters.refused++;
    if (!isInVain) return tooManyWaiting(this.figures, policy.maxWaiting);
    server.refused(now);
    loop.request(now);
    return connectRefused(0, this.figures, server.failures!);
  }

  #rejectRelease(connection: C): void {
    if (this.#revoked.has(connection)) return;
    throw new TenureUsageError(
      'This connection is not checked out of this pool: it was released before, or another pool has lent it. Release each connection once.',
    );
  }

  #startDraining(): { promise: Promise<void>; resolve: () => void } {
    let resolve!: () => void;
    const promise = new Promise<void>((done) => {
      resolve = done;
    });
    this.#drained = { promise, resolve };
    if (this.#queue.length === 0) this.#close();
    // The microtask comes after the hand-off that serves the last caller.
    else this.#queue.whenEmpty(() => queueMicrotask(() => this.#close()));
    return this.#drained;
  }

  /** Called when no caller waits any more, or the time is over: connections are only closed from here on. */
  #close(): void {
    if (this.#connections.isClosing) return;
    const { membership, runtime, loop, budget } = this.#context;
    const closed = poolClosed(this.figures);
    this.#connections.isClosing = true;
    membership.close();
    this.#crowding.leave();
    budget?.stop();
    this.#maintenance.stop();
    this.#queue.rejectAll(runtime.now(), () => closed);
    this.#opener.cancel(closed);
    for (const entry of this.#connections.entries) {
      if (entry.kind === 'idle' || entry.kind === 'checking') this.#connections.close(entry, 'closing');
    }
    loop.request(runtime.now());
  }

  #finishDraining(): void {
    if (!this.#connections.isEmpty) return;
    this.#unlist();
    this.#drained?.resolve();
  }

  /** Called when a drain's time is over. */
  #dropAll(): void {
    const { connector, runtime, loop } = this.#context;
    this.#close();
    for (const entry of this.#connections.entries) {
      if (entry.kind === 'used') this.#revoked.add(entry.connection);
      if (entry.kind === 'used' || entry.kind === 'returning') this.#connections.close(entry, 'closing');
      if (entry.kind === 'closing') dropOne(connector, entry.connection);
    }
    loop.request(runtime.now());
  }
}

/** The part of the pool that those with the same limit use. */
function memberOf<C extends object>(context: Context<C>, connections: Connections<C>): LimitMember {
  const { connector, membership, runtime, loop } = context;
  return {
    get places() {
      return membership.counts.total;
    },
    get idleMs() {
      const coldest = connections.idle.bottom;
      return coldest && runtime.now() - coldest.idleSince;
    },
    get isClosing() {
      return connections.isClosing;
    },
    closeColdest: () => connections.close(connections.idle.bottom!, 'overflow'),
    run: () => loop.request(runtime.now()),
    isStalled: (forMs) => {
      const since = runtime.now() - forMs;
      return [...connections.entries].every((entry) => {
        const { kind, takenAt } = entry;
        return kind === 'used' && takenAt <= since && connector.transactionStatus?.(entry.connection) !== 'active';
      });
    },
  };
}
