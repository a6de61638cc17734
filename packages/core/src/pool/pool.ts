import { TenureUsageError } from '../errors.js';
import type { RetireReason } from '../lifecycle/connectionState.js';
import { type Freshness, freshness } from '../lifecycle/freshness.js';
import { wornOut } from '../lifecycle/retirement.js';
import { nextUpkeep, soonestUpkeepMs, upkeep } from '../lifecycle/upkeep.js';
import { laterSettings } from '../policy/describePolicy.js';
import type { Policy } from '../policy/policy.js';
import { type Limits, withLimits } from '../policy/withLimits.js';
import { Alarm } from './alarm.js';
import { type AcquireOptions, Callers } from './callers.js';
import type { Connector } from './connector.js';
import type { Context } from './context.js';
import { Counters } from './counters.js';
import { leakMessage, poolClosed, refusedByServer, tooManyWaiting, unreachable } from './diagnosis.js';
import { Announcer, type PoolEvents } from './events.js';
import { Opener } from './opener.js';
import { checkOne, closeOne, dropOne, tidyOne } from './operations.js';
import { Roster } from './roster.js';
import { type Runtime, systemRuntime } from './runtime.js';
import type { Slot } from './slot.js';
import { type ConnectionInfo, describeConnection, type PoolStats, takeStats } from './stats.js';

/** A check or a return that takes longer than this no longer counts as supply; another connection is checked or opened meanwhile. */
const LATE_MS = 100;

/**
 * The engine. One line of callers, and connections that serve it: whatever makes a connection fresh (a return, a check that passed, an open
 * that succeeded) serves the oldest caller, and nothing is tied to the caller that caused it.
 *
 * What should happen is decided by the pure rules in `lifecycle/`; this class carries it out.
 */
export class Pool<C extends object> {
  readonly #context: Context<C>;
  readonly #roster: Roster<C>;
  readonly #callers: Callers<C>;
  readonly #opener: Opener<C>;
  /** Rings for an age, an idle time, a keepalive, a leak, the next attempt to connect. */
  readonly #upkeep: Alarm;
  #soonestUpkeepMs: number;
  /** Connections that a drain took from their holders, whose release then means nothing. */
  readonly #revoked = new WeakSet<C>();
  #drained: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;

  constructor(connector: Connector<C>, policy: Policy, runtime: Runtime = systemRuntime) {
    this.#context = { connector, policy, runtime, counters: new Counters(), announcer: new Announcer<C>() };
    this.#roster = new Roster(this.#context);
    this.#callers = new Callers(this.#context, (now) => ({
      figures: this.#figures(),
      holders: this.#roster.holders(now),
      trouble: this.#opener.trouble,
    }));
    this.#opener = new Opener(this.#context, this.#roster, {
      opened: (slot, now) => this.#opened(slot, now),
      openFailed: (now) => this.#openFailed(now),
      lost: (slot, cause) => this.#lost(slot, cause),
    });
    this.#upkeep = new Alarm(runtime, () => this.#keepUp());
    this.#soonestUpkeepMs = soonestUpkeepMs(policy);
    this.#warnOfLaterSettings();
    this.#pump(runtime.now());
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
    const now = this.#context.runtime.now();
    if (options?.signal?.aborted) return Promise.reject(options.signal.reason);
    const fresh = this.#callers.waiting === 0 ? this.#takeFresh(now) : undefined;
    if (fresh) return Promise.resolve(this.#checkOut(fresh, now, this.#captureStack()));
    const error = this.#refuse(now);
    if (error) return Promise.reject(error);
    const promise = this.#callers.join(now, this.#captureStack(), options);
    this.#pump(now);
    return promise;
  }

  /**
   * Gives a connection back.
   *
   * @param error what went wrong while it was held, if something did. It does not cost the connection: what the server says next decides.
   * @throws TenureUsageError when this pool has not handed the connection out, or it was released already
   */
  release(connection: C, error?: unknown): void {
    const { connector, policy, runtime } = this.#context;
    const slot = this.#roster.find(connection);
    if (slot?.kind !== 'used') return this.#rejectRelease(connection);
    const now = runtime.now();
    if (slot.lost || connector.isOpen?.(connection) === false) {
      this.#retire(slot, 'broken', slot.lost?.cause ?? error);
      this.#pump(now);
      return;
    }
    const status = connector.transactionStatus?.(connection) ?? 'idle';
    const clean = error === undefined && status === 'idle';
    if (!clean || policy.reset === 'session') return this.#tidy(slot, clean);
    slot.move('returned');
    slot.idleSince = slot.heardAt = now;
    this.#offer(slot, now);
  }

  /** Runs `work` with a connection and gives it back, whatever happens. */
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

  /** Figures of this moment, counters since the start, and where each setting came from. */
  stats(): PoolStats {
    return takeStats(this.#figures(), this.#context.counters, this.#context.policy);
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
    this.#soonestUpkeepMs = soonestUpkeepMs(this.#context.policy);
    this.#keepUp();
  }

  /** Replaces every connection, gracefully: idle ones now, the others when they come back. */
  invalidate(): void {
    this.#roster.generation++;
    this.#keepUp();
  }

  /**
   * Closes the pool: refuses new callers and those in line, lets work finish, closes everything. Calling it again adds a time limit at most.
   *
   * @param timeoutMs how long work may take to finish before its connections are dropped; default: no limit
   */
  drain(timeoutMs = Number.POSITIVE_INFINITY): Promise<void> {
    this.#drained ??= this.#startDraining();
    if (Number.isFinite(timeoutMs)) this.#context.runtime.after(timeoutMs, () => this.#dropAll());
    return this.#drained.promise;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.drain();
  }

  on<E extends keyof PoolEvents<C>>(event: E, listener: (...args: PoolEvents<C>[E]) => void): this {
    this.#context.announcer.on(event, listener);
    return this;
  }

  off<E extends keyof PoolEvents<C>>(event: E, listener: (...args: PoolEvents<C>[E]) => void): this {
    this.#context.announcer.off(event, listener);
    return this;
  }

  /** Brings callers and connections together, and opens what is missing. */
  #pump(now: number): void {
    if (this.#drained) return;
    this.#serve(now);
    if (this.#roster.isFull) return;
    this.#upkeep.setFor(this.#opener.grow(this.#callers.waiting, now), now);
  }

  #serve(now: number): void {
    while (this.#callers.waiting > 0) {
      const fresh = this.#takeFresh(now);
      if (fresh) {
        this.#serveOldest(fresh, now);
        continue;
      }
      const stale = this.#roster.idle.top;
      if (stale === undefined || this.#roster.expected >= this.#callers.waiting) return;
      this.#check(stale, now);
    }
  }

  /** The hottest idle connection, if it can be handed out as it is. What has worn out on top of it is retired. */
  #takeFresh(now: number): Slot<C> | undefined {
    const { idle } = this.#roster;
    for (let slot = idle.top; slot; slot = idle.top) {
      const reason = this.#unfit(slot, now);
      if (reason) {
        this.#retire(slot, reason);
      } else if (this.#need(slot, now) === 'fresh') {
        idle.pop();
        return slot;
      } else {
        return undefined;
      }
    }
    return undefined;
  }

  /** Why an idle connection may not serve. */
  #unfit(slot: Slot<C>, now: number): RetireReason | undefined {
    const { connector, policy } = this.#context;
    if (this.#drained) return 'closing';
    if (connector.isOpen?.(slot.connection) === false) return 'broken';
    return wornOut(slot, this.#roster.generation, policy, now);
  }

  /** How far a connection must be checked before reuse. What the driver cannot do, nobody asks for. */
  #need(slot: Slot<C>, now: number): Freshness {
    const { ping, isOpen, validate } = this.#context.connector;
    const need = freshness(slot.heardAt, this.#context.policy, now);
    if (need === 'fresh' && !validate) return 'fresh';
    if (need === 'ask' && ping) return 'ask';
    if (need !== 'fresh' && isOpen) return 'listen';
    return validate ? 'listen' : 'fresh';
  }

  #checkOut(slot: Slot<C>, now: number, stack: string | undefined): C {
    const { connector, counters, policy } = this.#context;
    slot.taken(now, stack);
    counters.acquired++;
    if (slot.uses > 1) counters.reused++;
    if (policy.exitOnIdle) connector.ref?.(slot.connection);
    this.#upkeep.setFor(now + policy.leakAfterMs, now);
    return slot.connection;
  }

  #serveOldest(slot: Slot<C>, now: number): void {
    const waiter = this.#callers.takeOldest(now);
    waiter.resolve(this.#checkOut(slot, now, waiter.stack));
  }

  /** A connection that was heard from this moment serves the oldest caller, waits for one, or goes. */
  #offer(slot: Slot<C>, now: number, validated = this.#context.connector.validate === undefined): void {
    const reason = this.#unfit(slot, now) ?? (this.#roster.isOverfull ? 'overflow' : undefined);
    if (reason) this.#retire(slot, reason);
    else if (validated && this.#callers.waiting > 0) return this.#serveOldest(slot, now);
    else this.#park(slot, now);
    if (reason || this.#callers.waiting > 0) this.#pump(now);
  }

  #park(slot: Slot<C>, now: number): void {
    const { connector, policy } = this.#context;
    this.#roster.idle.add(slot);
    if (policy.exitOnIdle) connector.unref?.(slot.connection);
    this.#upkeep.setFor(Math.min(slot.expiresAt, now + this.#soonestUpkeepMs), now);
  }

  /** Checks an idle connection; if it passes, it serves whoever has waited longest by then. */
  #check(slot: Slot<C>, now: number): void {
    const { counters } = this.#context;
    const need = this.#need(slot, now);
    this.#roster.idle.remove(slot);
    slot.move('checking');
    slot.checks++;
    counters.checksDone++;
    this.#await(slot, checkOne(this.#context, slot.connection, need), {
      succeeded: (at) => {
        if (need === 'ask') slot.heardAt = at;
        slot.move('ready');
        this.#offer(slot, at, true);
      },
      failed: (error) => {
        counters.checksFailed++;
        this.#retire(slot, 'failed-check', error);
      },
    });
  }

  /** A return that must be looked at: something failed, a query is unfinished, or a transaction is open. */
  #tidy(slot: Slot<C>, clean: boolean): void {
    slot.move('tidying');
    this.#await(slot, tidyOne(this.#context, slot.connection, clean), {
      succeeded: (at, rolledBack) => {
        if (rolledBack) this.#reportRollback(slot);
        slot.idleSince = slot.heardAt = at;
        slot.move('ready');
        this.#offer(slot, at);
      },
      failed: (error) => this.#retire(slot, 'broken', error),
    });
  }

  /** Carries on when an operation on a connection ends, unless the connection was retired meanwhile. */
  #await<T>(
    slot: Slot<C>,
    operation: Promise<T>,
    then: { succeeded: (at: number, result: T) => void; failed: (error: unknown) => void },
  ): void {
    const { runtime } = this.#context;
    const stage = slot.state;
    slot.late = false;
    const lateness = runtime.after(LATE_MS, () => {
      slot.late = true;
      this.#pump(runtime.now());
    });
    const carryOn = (proceed: (at: number) => void) => {
      lateness.cancel();
      if (slot.state !== stage) return;
      const at = runtime.now();
      proceed(at);
      this.#pump(at);
    };
    operation.then(
      (result) => carryOn((at) => then.succeeded(at, result)),
      (error) => carryOn(() => then.failed(error)),
    );
  }

  #opened(slot: Slot<C>, now: number): void {
    if (slot.lost) this.#retire(slot, 'broken', slot.lost.cause);
    else this.#offer(slot, now, true);
    this.#pump(now);
  }

  #openFailed(now: number): void {
    if (this.#drained) return this.#finishDraining();
    if (this.#opener.refusal(now)) this.#callers.rejectAll(now, (waitedMs) => this.#refusalError(waitedMs));
    this.#pump(now);
  }

  /** The driver says that a connection has ended. */
  #lost(slot: Slot<C>, cause: Error | undefined): void {
    switch (slot.kind) {
      case 'opening':
      case 'used':
        // Someone else is responsible for it now: the pool acts at the end of the connect, or at the return.
        slot.lost = { cause };
        break;
      case 'idle':
      case 'checking':
      case 'returning':
        this.#retire(slot, 'broken', cause);
        this.#pump(this.#context.runtime.now());
    }
  }

  /** Takes a connection out of service and closes it. The caller pumps, so that the pool makes up for it. */
  #retire(slot: Slot<C>, reason: RetireReason, cause?: unknown): void {
    const { connector, counters, announcer, runtime } = this.#context;
    if (slot.kind === 'idle') this.#roster.idle.remove(slot);
    slot.move({ retire: reason });
    counters.closed[reason]++;
    announcer.tell('closing', slot.connection, reason, cause);
    if (reason === 'broken' || reason === 'failed-check') {
      dropOne(connector, slot.connection);
      this.#gone(slot, reason);
      return;
    }
    // The process must not exit between a drain and its last goodbye.
    if (this.#drained) connector.ref?.(slot.connection);
    void closeOne(this.#context, slot.connection).then(() => {
      this.#gone(slot, reason);
      this.#pump(runtime.now());
    });
  }

  #gone(slot: Slot<C>, reason: RetireReason): void {
    this.#roster.forget(slot);
    this.#context.announcer.tell('closed', slot.connection, reason);
    this.#finishDraining();
  }

  /** What time calls for: retire what is old or too much, keep alive what is quiet, report what is held too long, connect again. */
  #keepUp(): void {
    if (this.#drained) return;
    const now = this.#context.runtime.now();
    for (const slot of this.#roster.idle.coldestFirst()) {
      const action = upkeep(slot, this.#roster.facts, this.#context.policy, now);
      if (action === 'check') this.#check(slot, now);
      else if (action !== 'leave') this.#retire(slot, action.retire);
    }
    this.#reportLeaks(now);
    this.#pump(now);
    this.#upkeep.setFor(this.#nextUpkeep(now), now);
  }

  #nextUpkeep(now: number): number {
    const { policy } = this.#context;
    const { facts } = this.#roster;
    let next = Number.POSITIVE_INFINITY;
    for (const slot of this.#roster.slots) {
      if (slot.kind === 'idle') next = Math.min(next, nextUpkeep(slot, facts, policy, now));
      if (slot.kind === 'used' && !slot.leakReported) next = Math.min(next, slot.takenAt + policy.leakAfterMs);
    }
    return next;
  }

  #reportLeaks(now: number): void {
    const { leakAfterMs } = this.#context.policy;
    for (const slot of this.#roster.slots) {
      if (slot.kind !== 'used' || slot.leakReported || now - slot.takenAt < leakAfterMs) continue;
      slot.leakReported = true;
      const holder = this.#roster.holder(slot, now);
      const message = leakMessage(holder, leakAfterMs);
      this.#context.announcer.warn({ code: 'TENURE_LEAK', message, holders: [holder] });
    }
  }

  #reportRollback(slot: Slot<C>): void {
    this.#context.counters.rolledBack++;
    this.#context.announcer.tell('rollback', slot.connection);
  }

  #startDraining(): { promise: Promise<void>; resolve: () => void } {
    let resolve!: () => void;
    const promise = new Promise<void>((done) => {
      resolve = done;
    });
    this.#drained = { promise, resolve };
    this.#upkeep.cancel();
    const closed = poolClosed(this.#figures());
    this.#callers.rejectAll(this.#context.runtime.now(), () => closed);
    this.#opener.cancel(closed);
    for (const slot of this.#roster.slots) {
      if (slot.kind === 'idle' || slot.kind === 'checking') this.#retire(slot, 'closing');
    }
    this.#finishDraining();
    return this.#drained;
  }

  #finishDraining(): void {
    if (this.#roster.isEmpty) this.#drained?.resolve();
  }

  /** The time that work had to finish is over. */
  #dropAll(): void {
    for (const slot of this.#roster.slots) {
      if (slot.kind === 'used') this.#revoked.add(slot.connection);
      if (slot.kind === 'used' || slot.kind === 'returning') this.#retire(slot, 'closing');
      if (slot.kind === 'closing') dropOne(this.#context.connector, slot.connection);
    }
  }

  /** Why a caller need not even join the line. */
  #refuse(now: number): Error | undefined {
    if (this.#drained) return poolClosed(this.#figures());
    const { counters, policy } = this.#context;
    const inVain = this.#opener.refusal(now) !== undefined;
    // Those who can be served without anyone giving a connection back do not count as waiting.
    const prospects = policy.maxConnections - this.#roster.engaged;
    if (!inVain && this.#callers.waiting - prospects < policy.maxWaiting) return undefined;
    counters.refused++;
    return inVain ? this.#refusalError(0) : tooManyWaiting(this.#figures(), policy.maxWaiting);
  }

  #refusalError(waitedMs: number): Error {
    const trouble = this.#opener.trouble!;
    return trouble.kind === 'permanent'
      ? refusedByServer(this.#figures(), trouble)
      : unreachable(waitedMs, this.#figures(), trouble);
  }

  #rejectRelease(connection: C): void {
    if (this.#revoked.has(connection)) return;
    throw new TenureUsageError('Released a connection that is not checked out of this pool, or was released before.');
  }

  #captureStack(): string | undefined {
    if (this.#context.policy.leakAfterMs === Number.POSITIVE_INFINITY) return undefined;
    return new Error('taken').stack?.split('\n').slice(3).join('\n');
  }

  #figures() {
    return this.#roster.figures(this.#callers.waiting);
  }

  #warnOfLaterSettings(): void {
    const { policy, announcer } = this.#context;
    for (const { name } of laterSettings(policy)) {
      const message = `${name} is set, but this version of Tenure does not act on it yet.`;
      announcer.warn({ code: 'TENURE_NOT_ACTED_ON', message });
    }
  }
}
