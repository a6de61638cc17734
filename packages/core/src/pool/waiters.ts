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
