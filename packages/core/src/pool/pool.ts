import { type PoolFigures, TenureUsageError } from '../errors.js';
import { laterSettings } from '../policy/describePolicy.js';
import { type Limits, withLimits } from '../policy/limits.js';
import type { Policy } from '../policy/policy.js';
import { Exchange } from './checkout.js';
import { Clock, type Runtime, systemRuntime } from './clock.js';
import { Roster } from './connections.js';
import type { Connector } from './connector.js';
import type { Context } from './context.js';
import { Crowding } from './crowding.js';
import { Announcer, type PoolEvents } from './events.js';
import { InFlightCheck } from './inFlightCheck.js';
import { memberOf } from './limitMember.js';
import { Keeper } from './maintenance.js';
import { poolClosed, refusedByServer, tooManyWaiting, unreachable } from './messages.js';
import { Opener, Renewal } from './opener.js';
import { dropOne } from './operations.js';
import { Membership, type SharedLimit } from './sharedLimit.js';
import { type ConnectionInfo, Counters, describeConnection, type PoolStats, takeStats } from './stats.js';
import { Questions } from './timeLimit.js';
import { type AcquireOptions, Callers } from './waitQueue.js';

/**
 * A pool of connections: one line of callers, and connections that serve it.
 *
 * What should happen is decided by the pure rules in `lifecycle/`. The parts carry it out: `Callers` is the line, `Opener` opens, `Exchange`
 * brings the two together, `Keeper` does what time calls for, and `Roster` knows who is there.
 */
export class Pool<C extends object> {
  readonly #context: Context<C>;
  readonly #roster: Roster<C>;
  readonly #callers: Callers<C>;
  readonly #opener: Opener<C>;
  readonly #exchange: Exchange<C>;
  readonly #keeper: Keeper<C>;
  readonly #crowding: Crowding<C>;
  /** Connections that a drain took from their holders, whose release then means nothing. */
  readonly #revoked = new WeakSet<C>();
  #drained: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;

  /** @param findLimit finds the limit that the pool keeps to together with others, if there is one */
  constructor(
    connector: Connector<C>,
    policy: Policy,
    runtime: Runtime = systemRuntime,
    findLimit: () => SharedLimit | undefined = () => undefined,
  ) {
    connector.governedBy?.(policy);
    const clock = new Clock(runtime, (byMs, now) => this.#thaw(byMs, now));
    const membership = new Membership(findLimit);
    const parts = { counters: new Counters(), announcer: new Announcer<C>(), membership };
    const context = { connector, policy, runtime, clock, ...parts };
    this.#context = Object.assign(context, { questions: new Questions<C>(context, () => this.#isStuck) });
    this.#roster = new Roster(this.#context);
    const situation = (now: number) => ({
      figures: this.figures,
      holders: this.#roster.holders(now),
      trouble: this.#opener.trouble,
      others: membership.others,
    });
    this.#callers = new Callers(this.#context, situation, (now) => this.#exchange.pump(now));
    const renewal = new Renewal(this.#context, this.#roster, (moment, now) => this.#keeper.comeBackAt(moment, now));
    this.#exchange = new Exchange(this.#context, this.#roster, this.#callers, renewal, {
      grow: (now) => this.#keeper.comeBackAt(this.#opener.grow(this.#callers.waiting, now), now),
      taken: (slot) => this.#keeper.taken(slot),
      parked: (slot, now) => this.#keeper.parked(slot, now),
      endedUnused: (slot, cause) => this.#opener.endedUnused(slot, cause),
      gone: () => this.#finishDraining(),
    });
    this.#opener = new Opener(this.#context, this.#roster, renewal, {
      opened: (slot, now) => this.#exchange.welcome(slot, now),
      failed: (now) => this.#openFailed(now),
      late: (now) => this.#exchange.pump(now),
      lost: (slot, cause) => this.#exchange.lost(slot, cause),
      readOnly: (slot) => this.#exchange.readOnly(slot),
    });
    const inFlight = new InFlightCheck(this.#context, this.#roster, this.#exchange, this.#opener, (now) =>
      this.#keeper.lookInFlight(now),
    );
    this.#keeper = new Keeper(this.#context, this.#roster, this.#exchange, { renewal, inFlight });
    this.#crowding = new Crowding(this.#context, this.#roster, this.#exchange, {
      roomMade: () => {
        this.#opener.roomMade();
        this.#exchange.pump(runtime.now());
      },
      holdBack: (error) => this.#opener.holdBack(error),
    });
    membership.begin(memberOf(this.#context, this.#roster, this.#exchange));
    if (policy.minConnections > 0) membership.join();
    this.#warnOfLaterSettings();
    this.#exchange.pump(runtime.now());
  }

  get policy(): Policy {
    return this.#context.policy;
  }

  /**
   * A connection that has been checked as far as the policy asks, or a place in line for one. Give it back with `release`.
   *
   * @throws TenureTimeoutError when no connection came free in time
   * @throws TenureUnreachableError when the database cannot be reached
   * @throws TenureConnectError when the server refuses this client
   * @throws TenureTooManyWaitingError when `maxWaiting` callers wait already
   * @throws TenureClosedError when the pool is closing
   */
  acquire(options?: AcquireOptions): Promise<C> {
    if (options?.signal?.aborted) return Promise.reject(options.signal.reason);
    const { clock, runtime } = this.#context;
    const fresh =
      this.#callers.waiting === 0 ? this.#exchange.takeFresh(clock.read(), this.#captureStack()) : undefined;
    if (fresh) return fresh;
    const now = runtime.now();
    const error = unusableTimeout(options?.timeoutMs) ?? this.#refuse(now, options?.timeoutMs);
    if (error) return Promise.reject(error);
    this.#context.membership.join();
    const promise = this.#callers.join(now, this.#captureStack(), options);
    this.#exchange.pump(now);
    return promise;
  }

  /**
   * Gives a connection back.
   *
   * @param error what went wrong while it was held, if something did. It does not cost the connection: what the server says next decides.
   * @throws TenureUsageError when this pool has not handed the connection out, or it was released already
   */
  release(connection: C, error?: unknown): void {
    const slot = this.#roster.find(connection);
    if (slot?.kind !== 'used') return this.#rejectRelease(connection);
    this.#exchange.takeBack(slot, error, this.#context.clock.read());
  }

  /**
   * Gives a connection back to be closed, whatever its state: the caller knows something that the pool cannot know. Counts as `invalidated`.
   *
   * @throws TenureUsageError when this pool has not handed the connection out, or it was released already
   */
  discard(connection: C): void {
    const slot = this.#roster.find(connection);
    if (slot?.kind !== 'used') return this.#rejectRelease(connection);
    this.#exchange.retire(slot, 'invalidated');
    this.#exchange.pump(this.#context.runtime.now());
  }

  /** Runs `work` with a connection and gives it back, whatever happens. */
  use<T>(work: (connection: C) => T | Promise<T>, options?: AcquireOptions): Promise<T> {
    return useConnection(this, work, options);
  }

  /** Figures of this moment. Cheap enough to be read for every request. */
  get figures(): PoolFigures {
    return this.#roster.figures(this.#callers.waiting);
  }

  /** Figures of this moment, counters since the start, and where each setting came from. */
  stats(): PoolStats {
    const { counters, policy, connector, membership } = this.#context;
    return takeStats(this.figures, counters, policy, {
      owners: membership.owners,
      statements: connector.statementStats?.(),
    });
  }

  /** Every connection: its backend, state, age, idle time, uses and checks. */
  connections(): ConnectionInfo[] {
    const now = this.#context.runtime.now();
    return Array.from(this.#roster.slots, (slot) => describeConnection(slot, this.#context.connector, now));
  }

  /**
   * Changes the pool's limits while it runs. Connections above a smaller maximum go when they come back.
   *
   * @throws TenurePolicyError when the limits do not fit together
   */
  resize(limits: Limits): void {
    this.#context.policy = withLimits(this.#context.policy, limits);
    if (!this.#exchange.isClosing) this.#keeper.policyChanged();
  }

  /** Replaces every connection, gracefully: idle ones now, the others when they come back. */
  invalidate(): void {
    this.#roster.generation++;
    if (!this.#exchange.isClosing) this.#keeper.makeRounds();
  }

  /**
   * Closes the pool: refuses new callers, serves those in line, lets work finish, closes everything. Calling it again adds a time limit at most.
   *
   * @param timeoutMs how many milliseconds all that may take before those in line are refused and the connections are dropped; default: no limit
   */
  drain(timeoutMs = Number.POSITIVE_INFINITY): Promise<void> {
    this.#drained ??= this.#startDraining();
    if (Number.isFinite(timeoutMs)) this.#context.runtime.after(timeoutMs, () => this.#dropAll());
    return this.#drained.promise;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.drain();
  }

  /** Listens; `PoolEvents` lists what there is to hear. */
  on<E extends keyof PoolEvents<C>>(event: E, listener: (...args: PoolEvents<C>[E]) => void): this {
    this.#context.announcer.on(event, listener);
    return this;
  }

  off<E extends keyof PoolEvents<C>>(event: E, listener: (...args: PoolEvents<C>[E]) => void): this {
    this.#context.announcer.off(event, listener);
    return this;
  }

  /** Callers wait, nobody else has a connection whose answers would tell of the server, and there is no room for another. */
  get #isStuck(): boolean {
    const { used, opening, waiting } = this.figures;
    return waiting > 0 && used === 0 && opening === 0 && this.#roster.isFull;
  }

  /** Why a caller need not even join the line. */
  #refuse(now: number, waitMs = this.#context.policy.acquireTimeoutMs): Error | undefined {
    if (this.#drained) return poolClosed(this.figures);
    const { counters, policy } = this.#context;
    const inVain = this.#opener.refusal(waitMs, now) !== undefined;
    // Those who can be served without anyone giving a connection back do not count as waiting.
    const prospects = Math.max(0, policy.maxConnections - this.#roster.engaged);
    if (!inVain && this.#callers.waiting - prospects < policy.maxWaiting) return undefined;
    counters.refused++;
    if (!inVain) return tooManyWaiting(this.figures, policy.maxWaiting);
    this.#opener.refused(now);
    this.#exchange.pump(now);
    return this.#refusal(0);
  }

  #refusal(waitedMs: number): Error {
    const trouble = this.#opener.trouble!;
    return trouble.kind === 'permanent' || trouble.kind === 'login'
      ? refusedByServer(this.figures, trouble)
      : unreachable(waitedMs, this.figures, trouble);
  }

  /** The process was frozen: its connections are older than its own clock can tell, and nobody knows what has become of them. */
  #thaw(byMs: number, now: number): void {
    for (const slot of this.#roster.slots) slot.ageBy(byMs);
    this.#exchange.doubt('standstill', now);
  }

  #openFailed(now: number): void {
    if (this.#exchange.isClosing) return this.#finishDraining();
    // A server that is away may be back before their time is up; one that refuses this client will go on doing so.
    const isRefused = this.#opener.refusal(Number.POSITIVE_INFINITY, now) !== undefined;
    if (isRefused) this.#callers.rejectAll(now, (waitedMs) => this.#refusal(waitedMs));
    const { trouble } = this.#opener;
    // Those who came later may be served with the next secret.
    if (trouble?.kind === 'login' && this.#roster.alive === 0)
      this.#callers.rejectAll(now, (waitedMs) => this.#refusal(waitedMs), trouble.beganAt);
    if (trouble?.kind === 'full') this.#crowding.ask(trouble.error, this.#callers.waiting - this.#roster.expected);
    this.#exchange.pump(now);
  }

  #rejectRelease(connection: C): void {
    if (this.#revoked.has(connection)) return;
    throw new TenureUsageError('Released a connection that is not checked out of this pool, or was released before.');
  }

  #startDraining(): { promise: Promise<void>; resolve: () => void } {
    let resolve!: () => void;
    const promise = new Promise<void>((done) => {
      resolve = done;
    });
    this.#drained = { promise, resolve };
    if (this.#callers.waiting === 0) this.#close();
    // Not in the middle of the hand-off that serves the last one.
    else this.#callers.whenEmpty(() => queueMicrotask(() => this.#close()));
    return this.#drained;
  }

  /** Nobody is in line any more, or the time that they had is over: from here on connections only go. */
  #close(): void {
    if (this.#exchange.isClosing) return;
    const closed = poolClosed(this.figures);
    this.#exchange.isClosing = true;
    this.#context.membership.leave();
    this.#crowding.leave();
    this.#keeper.stop();
    this.#callers.rejectAll(this.#context.runtime.now(), () => closed);
    this.#opener.cancel(closed);
    for (const slot of this.#roster.slots) {
      if (slot.kind === 'idle' || slot.kind === 'checking') this.#exchange.retire(slot, 'closing');
    }
    this.#finishDraining();
  }

  #finishDraining(): void {
    if (this.#exchange.isClosing && this.#roster.isEmpty) this.#drained?.resolve();
  }

  /** The time that a drain had is over. */
  #dropAll(): void {
    this.#close();
    for (const slot of this.#roster.slots) {
      if (slot.kind === 'used') this.#revoked.add(slot.connection);
      if (slot.kind === 'used' || slot.kind === 'returning') this.#exchange.retire(slot, 'closing');
      if (slot.kind === 'closing') dropOne(this.#context.connector, slot.connection);
    }
  }

  #captureStack(): string | undefined {
    if (this.#context.policy.leakAfterMs === Number.POSITIVE_INFINITY) return undefined;
    return new Error('taken').stack?.split('\n').slice(3).join('\n');
  }

  #warnOfLaterSettings(): void {
    const { policy, announcer } = this.#context;
    for (const { name } of laterSettings(policy)) {
      if (settingsTold.has(name)) continue;
      settingsTold.add(name);
      const message = `${name} is set, but this version of Tenure does not act on it yet.`;
      announcer.warn({ code: 'TENURE_NOT_ACTED_ON', message });
    }
  }
}

/** Settings that were warned of in this process; once is enough, however many pools there are. */
const settingsTold = new Set<string>();

function unusableTimeout(timeoutMs = 0): Error | undefined {
  if (timeoutMs >= 0) return undefined;
  return new TenureUsageError(
    `timeoutMs = ${timeoutMs}: wants a number of milliseconds, 0 or more; Infinity waits for ever.`,
  );
}

/** What lends connections and takes them back. */
interface Lender<C> {
  acquire(options?: AcquireOptions): Promise<C>;
  release(connection: C, error?: unknown): void;
}

/** Runs `work` with a connection and gives it back, whatever happens. */
async function useConnection<C, T>(
  lender: Lender<C>,
  work: (connection: C) => T | Promise<T>,
  options?: AcquireOptions,
): Promise<T> {
  const connection = await lender.acquire(options);
  let result: T;
  try {
    result = await work(connection);
  } catch (error) {
    lender.release(connection, error);
    throw error;
  }
  lender.release(connection);
  return result;
}
