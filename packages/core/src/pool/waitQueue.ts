import { Alarm, afterTwoTurns } from './clock.js';
import type { Context } from './context.js';
import { acquireTimedOut, isStuckInTransactions, type Situation, stuckInTransactions } from './messages.js';

/** How long the oldest caller waits before the pool looks whether its holders block each other. */
const SUSPECT_MS = 1_000;

export interface AcquireOptions {
  /** Gives up when aborted; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /**
   * Longest wait in milliseconds. Default: the policy's `acquireTimeoutMs`, which counts from the last progress of the line when nobody has
   * set it. `Infinity` waits for ever.
   */
  readonly timeoutMs?: number;
}

/** The callers in line, and how long they will wait. One timer serves them all, and keeps the process alive while someone waits. */
export class Callers<C extends object> {
  readonly #context: Context<C>;
  readonly #situation: (now: number) => Situation;
  readonly #roomFound: (now: number) => void;
  readonly #queue = new WaiterQueue<C>();
  readonly #patience: Alarm;
  /** Nobody has written how long callers wait. */
  readonly #isDefault: boolean;
  #suspicionTold = false;
  #onEmpty: (() => void) | undefined;

  /** @param roomFound the pool has left a limit that it shared: it may open more */
  constructor(context: Context<C>, situation: (now: number) => Situation, roomFound: (now: number) => void) {
    this.#context = context;
    this.#situation = situation;
    this.#roomFound = roomFound;
    this.#isDefault = context.policy.sources.acquireTimeoutMs.from === 'default';
    // On a blocked event loop connections have often come back unread when the timer fires: two turns let them serve first.
    const { runtime } = context;
    this.#patience = new Alarm(runtime, () => afterTwoTurns(runtime, () => this.#timeIsUp()));
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /** Calls back once the line is empty the next time: each of those in it was served or refused, or has given up. */
  whenEmpty(run: () => void): void {
    this.#onEmpty = run;
  }

  /** Joins the line. */
  join(now: number, stack: string | undefined, options: AcquireOptions | undefined): Promise<C> {
    return new Promise<C>((resolve, reject) => {
      const timeoutMs = options?.timeoutMs ?? this.#context.policy.acquireTimeoutMs;
      const waiter: Waiter<C> = {
        since: now,
        timeoutMs,
        isDefault: this.#isDefault && options?.timeoutMs === undefined,
        resolve,
        reject,
        stack,
        unsubscribe: undefined,
        next: undefined,
        previous: undefined,
        queued: false,
      };
      if (options?.signal) this.#giveUpOn(options.signal, waiter);
      this.#queue.add(waiter);
      this.#patience.hold(true);
      this.#patience.setFor(now + Math.min(timeoutMs, SUSPECT_MS), now);
    });
  }

  /** Takes the oldest caller out of the line, to be served. Only to be called while someone waits. */
  takeOldest(now: number): Waiter<C> {
    const waiter = this.#queue.take() as Waiter<C>;
    this.#queue.progressAt = now;
    // `now` may be a millisecond early, where it comes from the warm path's clock.
    this.#context.counters.waits.add(Math.max(0, now - waiter.since));
    this.#settleDown();
    return waiter;
  }

  /** Sends everyone away, or those who have come up to this moment. */
  rejectAll(now: number, errorFor: (waitedMs: number) => Error, until = Number.POSITIVE_INFINITY): void {
    for (let { oldest } = this.#queue; oldest && oldest.since <= until; { oldest } = this.#queue) {
      this.#queue.remove(oldest);
      this.#context.counters.refused++;
      oldest.reject(errorFor(now - oldest.since));
    }
    if (this.waiting === 0) this.#patience.cancel();
    this.#settleDown();
  }

  #giveUpOn(signal: AbortSignal, waiter: Waiter<C>): void {
    const giveUp = () => {
      this.#queue.remove(waiter);
      waiter.reject(signal.reason);
      this.#settleDown();
    };
    signal.addEventListener('abort', giveUp, { once: true });
    waiter.unsubscribe = () => signal.removeEventListener('abort', giveUp);
  }

  #timeIsUp(): void {
    const now = this.#context.runtime.now();
    if (this.#queue.nextDeadline() <= now) this.#disappoint(now);
    this.#suspectJam(now);
    this.#settleDown();
    if (this.waiting > 0) this.#patience.setFor(Math.min(this.#queue.nextDeadline(), this.#nextLook(now)), now);
  }

  /** When to look for a jam again. Also after it was told: with no deadline in the line, nothing else would keep the process alive. */
  #nextLook(now: number): number {
    const ripe = (this.#queue.oldest?.since ?? now) + SUSPECT_MS;
    return ripe > now ? ripe : now + SUSPECT_MS;
  }

  #disappoint(now: number): void {
    const situation = this.#situation(now);
    for (const { since, reject } of this.#queue.takeExpired(now)) {
      this.#context.counters.timeouts++;
      reject(acquireTimedOut(now - since, situation));
    }
  }

  /** Warns early when the holders wait for each other, instead of leaving it to the timeout's error. */
  #suspectJam(now: number): void {
    const { oldest } = this.#queue;
    if (oldest === undefined || now - oldest.since < SUSPECT_MS) return;
    if (this.#context.membership.leaveIfStalled(SUSPECT_MS)) return this.#roomFound(now);
    if (this.#suspicionTold) return;
    const situation = this.#situation(now);
    if (!isStuckInTransactions(situation)) return;
    this.#suspicionTold = true;
    const { holders } = situation;
    this.#context.announcer.warn({
      code: 'TENURE_IDLE_IN_TRANSACTION',
      message: stuckInTransactions(situation),
      holders,
    });
  }

  /** Once nobody waits, the process may exit and the next jam is news again. */
  #settleDown(): void {
    if (this.waiting > 0) return;
    this.#patience.hold(false);
    this.#suspicionTold = false;
    this.#onEmpty?.();
    this.#onEmpty = undefined;
  }
}

/** One caller in line for a connection. */
export interface Waiter<C> {
  readonly since: number;
  /** How long the caller waits; `Infinity` for ever. Not the deadline itself: a second moment would be a second number on the heap. */
  readonly timeoutMs: number;
  /** A limit that nobody wrote counts from the last progress of the line: it is there for a line that is stuck, not for one that is long. */
  readonly isDefault: boolean;
  readonly resolve: (connection: C) => void;
  readonly reject: (error: unknown) => void;
  /** Where the caller asked; captured only when `leakAfterMs` is set. */
  readonly stack: string | undefined;
  /** Forgets the caller's abort signal. */
  unsubscribe: (() => void) | undefined;
  next: Waiter<C> | undefined;
  previous: Waiter<C> | undefined;
  queued: boolean;
}

/**
 * The line: first come, first served. A waiter leaves it exactly once, by being taken or by giving up, and whoever takes it out must settle
 * it: that is what makes a hand-off atomic, so that a caller who has just given up takes no connection with it.
 *
 * A linked list, because callers give up in any order and ten thousand of them must not make that slow.
 */
export class WaiterQueue<C> {
  #first: Waiter<C> | undefined;
  #last: Waiter<C> | undefined;
  #length = 0;
  /** When someone in the line was last served. */
  progressAt = Number.NEGATIVE_INFINITY;

  get length(): number {
    return this.#length;
  }

  /** The caller who has waited longest. */
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

  /** Takes the oldest waiter out. */
  take(): Waiter<C> | undefined {
    const waiter = this.#first;
    if (waiter) this.remove(waiter);
    return waiter;
  }

  /** Takes this waiter out; `false` when it has left already. */
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

  /** Takes everyone out whose deadline has passed, oldest first. */
  takeExpired(now: number): Waiter<C>[] {
    const expired: Waiter<C>[] = [];
    for (let waiter = this.#first; waiter; ) {
      const { next } = waiter;
      if (this.#deadlineOf(waiter) <= now && this.remove(waiter)) expired.push(waiter);
      waiter = next;
    }
    return expired;
  }

  /** The soonest deadline in the line. */
  nextDeadline(): number {
    let soonest = Number.POSITIVE_INFINITY;
    for (let waiter = this.#first; waiter; waiter = waiter.next) soonest = Math.min(soonest, this.#deadlineOf(waiter));
    return soonest;
  }

  #deadlineOf({ since, timeoutMs, isDefault }: Waiter<C>): number {
    return (isDefault ? Math.max(since, this.progressAt) : since) + timeoutMs;
  }
}
