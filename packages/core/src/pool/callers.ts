import { Alarm } from './alarm.js';
import type { Context } from './context.js';
import { acquireTimedOut, isStuckInTransactions, type Situation, stuckInTransactions } from './diagnosis.js';
import { afterTwoTurns } from './runtime.js';
import { type Waiter, WaiterQueue } from './waiters.js';

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
