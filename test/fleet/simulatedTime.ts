import type { Runtime, Timer } from '../../packages/core/src/pool/clock.js';

interface Event {
  readonly at: number;
  readonly order: number;
  run: (() => void) | undefined;
}

/** The time of a simulation: events in order, each of which runs to its end, promises included, before the next. */
export class SimulatedTime {
  now = 0;
  readonly #events: Event[] = [];
  #order = 0;
  #turns: (() => void)[] = [];

  after(delayMs: number, run: () => void): Event {
    const event = { at: this.now + Math.max(0, delayMs), order: this.#order++, run };
    this.#push(event);
    return event;
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.after(delayMs, resolve));
  }

  nextTurn(run: () => void): void {
    this.#turns.push(run);
  }

  /** Runs all events up to a moment. @param each runs after each event */
  async runUntil(end: number, each: () => void): Promise<void> {
    await this.#settle();
    for (let next = this.#events[0]; next !== undefined && next.at <= end; next = this.#events[0]) {
      this.#pop();
      if (next.run === undefined) continue;
      this.now = next.at;
      next.run();
      await this.#settle();
      each();
    }
    this.now = end;
  }

  async #settle(): Promise<void> {
    do {
      await new Promise(setImmediate);
      const turns = this.#turns;
      this.#turns = [];
      for (const run of turns) run();
    } while (this.#turns.length > 0);
  }

  #push(event: Event): void {
    const heap = this.#events;
    let index = heap.push(event) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (isBefore(heap[parent]!, event)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = event;
  }

  #pop(): void {
    const heap = this.#events;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (isBefore(last, heap[child]!)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
  }
}

function isBefore(one: Event, other: Event): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}

/** A generator of pseudo-random numbers in [0, 1), from a seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The clock of one process of a simulation, whose timers and messages stand still while it is frozen. Its wall clock may be wrong. */
export class ProcessTime implements Runtime {
  isKilled = false;
  #isFrozen = false;
  #delayed: (() => void)[] = [];

  constructor(
    readonly time: SimulatedTime,
    readonly random: () => number,
    private readonly skewMs: number,
  ) {}

  now(): number {
    return this.time.now;
  }

  wall(): number {
    return Math.floor(this.time.now + this.skewMs);
  }

  after(delayMs: number, run: () => void): Timer {
    const event = this.time.after(delayMs, () => {
      event.run = undefined;
      this.#deliver(run);
    });
    return {
      cancel: () => {
        event.run = undefined;
      },
      ref() {},
      unref() {},
    };
  }

  nextTurn(run: () => void): void {
    this.time.nextTurn(() => this.#deliver(run));
  }

  freeze(): void {
    this.#isFrozen = true;
  }

  thaw(): void {
    this.#isFrozen = false;
    for (const run of this.#delayed.splice(0)) this.time.after(0, () => this.#deliver(run));
  }

  #deliver(run: () => void): void {
    if (this.isKilled) return;
    if (this.#isFrozen) this.#delayed.push(run);
    else run();
  }
}
