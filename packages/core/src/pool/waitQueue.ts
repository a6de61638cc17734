import { TenureUsageError } from '../errors.js';
import { Alarm, afterTwoTurns } from './clock.js';
import type { Connections } from './connections.js';
import type { Context } from './context.js';
import { acquireTimedOut, isStuckInTransactions, type Situation, stuckInTransactions } from './messages.js';

/** How long the oldest waiter waits before the pool checks whether the holders block each other. */
const STALL_MS = 1_000;

export interface AcquireOptions {
  /** When it is aborted, the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /**
   * Longest wait in milliseconds. Default: the policy's `acquireTimeoutMs`, which counts from the last progress of the queue if
   * it is not set anywhere. `Infinity` waits for ever.
   */
  readonly timeoutMs?: number;
}

/** A caller that needs no connection of its own. It is called back once: with a connection, or with an error. */
export interface Sharer<C> {
  /** Whether it may use this connection now, beside its present users. */
  readonly joins: (connection: C) => boolean;
  /** Called with the connection: the caller has it alone, unless `joins` has allowed this one right before. */
  readonly lent: (connection: C) => void;
  readonly refused: (error: unknown) => void;
}

/** The callers that wait for a connection, oldest first. One timer serves them all, and keeps the process alive while one waits. */
export class WaitQueue<C extends object> {
  readonly #context: Context<C>;
  readonly #connections: Connections<C>;
  readonly #waiters = new WaiterList<C>();
  readonly #alarm: Alarm;
  /** Whether `acquireTimeoutMs` is set nowhere. */
  readonly #isDefault: boolean;
  #hasWarned = false;
  #onEmpty: (() => void) | undefined;

  constructor(context: Context<C>, connections: Connections<C>) {
    this.#context = context;
    this.#connections = connections;
    this.#isDefault = context.policy.sources.acquireTimeoutMs.from === 'default';
    const { runtime } = context;
    this.#alarm = new Alarm(runtime);
    // After a blocked event loop the data of returned connections often waits in their sockets. Two turns let these serve first.
    this.#alarm.onRing(() => afterTwoTurns(runtime, () => this.#timeIsUp()));
  }

  get length(): number {
    return this.#waiters.length;
  }

  /** Whether callers wait, no connection in use could get an answer that shows the state of the server, and there is no room for another. */
  get isStuck(): boolean {
    const { used, opening } = this.#connections.figures(this.length);
    return this.length > 0 && used === 0 && opening === 0 && this.#connections.isFull;
  }

  /** Calls back once, when the queue is next empty: each waiter was served or refused, or has given up. */
  whenEmpty(run: () => void): void {
    this.#onEmpty = run;
  }

  /** Adds a caller. */
  join(now: number, stack: string | undefined, options: AcquireOptions | undefined): Promise<C> {
    return new Promise<C>((resolve, reject) => {
      const waiter = this.#add(now, stack, options?.timeoutMs, resolve, reject, undefined);
      if (options?.signal) this.#removeWhenAborted(options.signal, waiter);
    });
  }

  /** Adds a caller that may share a connection. */
  joinToShare(now: number, stack: string | undefined, { joins, lent, refused }: Sharer<C>): void {
    this.#add(now, stack, undefined, lent, refused, joins);
  }

  #add(
    now: number,
    stack: string | undefined,
    ownTimeoutMs: number | undefined,
    resolve: Waiter<C>['resolve'],
    reject: Waiter<C>['reject'],
    joins: Waiter<C>['joins'],
  ): Waiter<C> {
    const timeoutMs = ownTimeoutMs ?? this.#context.policy.acquireTimeoutMs;
    const waiter: Waiter<C> = {
      since: now,
      timeoutMs,
      isDefault: this.#isDefault && ownTimeoutMs === undefined,
      resolve,
      reject,
      joins,
      stack,
      unsubscribe: undefined,
      next: undefined,
      previous: undefined,
      queued: false,
    };
    this.#waiters.add(waiter);
    this.#alarm.hold(true);
    this.#alarm.setFor(now + Math.min(timeoutMs, STALL_MS), now);
    return waiter;
  }

  /** Removes the oldest waiter, to be served. Call it only while there is one. */
  takeOldest(now: number): Waiter<C> {
    const waiter = this.#waiters.oldest as Waiter<C>;
    this.#take(waiter, now);
    return waiter;
  }

  /**
   * Removes the first waiter that may share this connection, to be served.
   *
   * @param ahead how many others may come before it
   * @returns `others` when more than that do
   */
  takeSharer(connection: C, ahead: number, now: number): Waiter<C> | 'others' | undefined {
    let others = 0;
    for (let waiter = this.#waiters.oldest; waiter; waiter = waiter.next) {
      if (waiter.joins?.(connection)) {
        this.#take(waiter, now);
        return waiter;
      }
      if (++others > ahead) return 'others';
    }
    return undefined;
  }

  #take(waiter: Waiter<C>, now: number): void {
    this.#waiters.remove(waiter);
    this.#waiters.progressAt = now;
    // `now` may be a millisecond early, because it comes from the warm path's clock.
    this.#context.counters.waits.add(Math.max(0, now - waiter.since));
    this.#restIfEmpty();
  }

  /** Refuses all waiters, or those who came up to this moment. */
  rejectAll(now: number, errorFor: (waitedMs: number) => Error, until = Number.POSITIVE_INFINITY): void {
    for (let { oldest } = this.#waiters; oldest && oldest.since <= until; { oldest } = this.#waiters) {
      this.#waiters.remove(oldest);
      this.#context.counters.refused++;
      oldest.reject(errorFor(now - oldest.since));
    }
    if (this.length === 0) this.#alarm.cancel();
    this.#restIfEmpty();
  }

  #removeWhenAborted(signal: AbortSignal, waiter: Waiter<C>): void {
    const giveUp = () => {
      this.#waiters.remove(waiter);
      waiter.reject(signal.reason);
      this.#restIfEmpty();
    };
    signal.addEventListener('abort', giveUp, { once: true });
    waiter.unsubscribe = () => signal.removeEventListener('abort', giveUp);
  }

  #timeIsUp(): void {
    const now = this.#context.runtime.now();
    if (this.#waiters.nextDeadline() <= now) this.#expireWaiters(now);
    this.#detectStall(now);
    this.#restIfEmpty();
    if (this.length > 0) this.#alarm.setFor(Math.min(this.#waiters.nextDeadline(), this.#nextLook(now)), now);
  }

  /** When to look for a stall again. It is set after the warning too: with no deadline in the queue, nothing else would keep the process alive. */
  #nextLook(now: number): number {
    const due = (this.#waiters.oldest?.since ?? now) + STALL_MS;
    return due > now ? due : now + STALL_MS;
  }

  #expireWaiters(now: number): void {
    const situation = this.#situation(now);
    for (const { since, reject } of this.#waiters.takeExpired(now)) {
      this.#context.counters.timeouts++;
      reject(acquireTimedOut(now - since, situation));
    }
  }

  /** Warns early when the holders wait for each other; otherwise the error of the timeout would be the first sign. */
  #detectStall(now: number): void {
    const { oldest } = this.#waiters;
    const { membership, loop, events } = this.#context;
    if (oldest === undefined || now - oldest.since < STALL_MS) return;
    if (membership.leaveIfStalled(STALL_MS)) return loop.request(now);
    if (this.#hasWarned) return;
    const situation = this.#situation(now);
    if (!isStuckInTransactions(situation)) return;
    this.#hasWarned = true;
    const { holders } = situation;
    events.warn({ code: 'TENURE_IDLE_IN_TRANSACTION', message: stuckInTransactions(situation), holders });
  }

  #situation(now: number): Situation {
    const { server, membership, budget } = this.#context;
    return {
      figures: this.#connections.figures(this.length),
      holders: this.#connections.holders(now),
      failures: server.failures,
      elsewhere: membership.elsewhere,
      shortage: budget?.shortage,
    };
  }

  /** Lets the process exit while the queue is empty, and gives the next stall a warning of its own. */
  #restIfEmpty(): void {
    if (this.length > 0) return;
    this.#alarm.hold(false);
    this.#hasWarned = false;
    this.#onEmpty?.();
    this.#onEmpty = undefined;
  }
}

/** One caller that waits for a connection. */
export interface Waiter<C> {
  readonly since: number;
  /** How long the caller waits; `Infinity` for ever. Not the deadline itself, which would be a second number on the heap. */
  readonly timeoutMs: number;
  /**
   * Whether the limit was set nowhere. It then counts from the last progress of the queue, because it is meant for a queue that
   * is stuck, not for a long one.
   */
  readonly isDefault: boolean;
  readonly resolve: (connection: C) => void;
  readonly reject: (error: unknown) => void;
  /** For a caller that may share: see `Sharer`. */
  readonly joins: ((connection: C) => boolean) | undefined;
  /** The stack of the caller; captured only when `leakAfterMs` is set. */
  readonly stack: string | undefined;
  /** Removes the listener of the caller's abort signal. */
  unsubscribe: (() => void) | undefined;
  next: Waiter<C> | undefined;
  previous: Waiter<C> | undefined;
  queued: boolean;
}

/**
 * A queue in the order of arrival. A waiter leaves it exactly once, because it is served or gives up. The code that removes it
 * must resolve or reject it. This makes a hand-off atomic: a caller who has just given up takes no connection with it.
 *
 * A linked list, because callers give up in any order, which must be fast with ten thousand of them.
 */
export class WaiterList<C> {
  #first: Waiter<C> | undefined;
  #last: Waiter<C> | undefined;
  #length = 0;
  /** When a waiter was last served. */
  progressAt = Number.NEGATIVE_INFINITY;

  get length(): number {
    return this.#length;
  }

  /** The waiter that has waited longest. */
  get oldest(): Waiter<C> | undefined {
    return this.#first;
  }

  add(waiter: Waiter<C>): void {
    waiter.previous = this.#last;
    if (this.#last) this.#last.next = waiter;
    else this.#first = waiter;
    this.#last = waiter;
    waiter.queued = true;
    this.#length++;
  }

  /** Removes this waiter; `false` when it has left already. */
  remove(waiter: Waiter<C>): boolean {
    if (!waiter.queued) return false;
    waiter.queued = false;
    if (waiter.previous) waiter.previous.next = waiter.next;
    else this.#first = waiter.next;
    if (waiter.next) waiter.next.previous = waiter.previous;
    else this.#last = waiter.previous;
    waiter.next = waiter.previous = undefined;
    this.#length--;
    waiter.unsubscribe?.();
    return true;
  }

  /** Removes all whose deadline has passed, oldest first. */
  takeExpired(now: number): Waiter<C>[] {
    const expired: Waiter<C>[] = [];
    for (let waiter = this.#first; waiter; ) {
      const { next } = waiter;
      if (this.#deadlineOf(waiter) <= now && this.remove(waiter)) expired.push(waiter);
      waiter = next;
    }
    return expired;
  }

  /** The earliest deadline. */
  nextDeadline(): number {
    let soonest = Number.POSITIVE_INFINITY;
    for (let waiter = this.#first; waiter; waiter = waiter.next) soonest = Math.min(soonest, this.#deadlineOf(waiter));
    return soonest;
  }

  #deadlineOf({ since, timeoutMs, isDefault }: Waiter<C>): number {
    return (isDefault ? Math.max(since, this.progressAt) : since) + timeoutMs;
  }
}

/** An error if this cannot be a wait limit. */
export function unusableTimeout(timeoutMs = 0): Error | undefined {
  if (timeoutMs >= 0) return undefined;
  return new TenureUsageError(
    `timeoutMs = ${timeoutMs}: wants a number of milliseconds, 0 or more; Infinity waits for ever.`,
  );
}
