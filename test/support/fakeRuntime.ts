import type { Runtime, Timer } from '../../packages/core/src/pool/clock.js';

interface PendingTimer {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
  holdsProcess: boolean;
}

/** A smaller delay would be lost in the rounding of the moment, and ring at once. A real timer waits a millisecond then. */
const SHORTEST_DELAY_MS = 0.001;

/** More timers than this at one moment are a loop, in which each sets the next for a moment in the past. */
const MOST_RINGS_AT_ONCE = 1_000;

/** A clock, timers and turns of the event loop that move only when a test says so. */
export class FakeRuntime implements Runtime {
  time = 0;
  /** The result of `random()`; a test replaces it to choose. */
  chance: () => number = () => 0;
  readonly #timers = new Set<PendingTimer>();
  #turns: (() => void)[] = [];
  #order = 0;

  /** How far the wall clock was set forward; below 0, back. */
  wallAhead = 0;

  now(): number {
    return this.time;
  }

  wall(): number {
    return Math.floor(this.time + this.wallAhead);
  }

  random(): number {
    return this.chance();
  }

  after(delayMs: number, run: () => void): Timer {
    const at = this.time + (delayMs > 0 ? Math.max(delayMs, SHORTEST_DELAY_MS) : 0);
    const timer: PendingTimer = { at, order: this.#order++, run, holdsProcess: false };
    this.#timers.add(timer);
    return {
      cancel: () => void this.#timers.delete(timer),
      ref: () => {
        timer.holdsProcess = true;
      },
      unref: () => {
        timer.holdsProcess = false;
      },
    };
  }

  nextTurn(run: () => void): void {
    this.#turns.push(run);
  }

  /** The number of pending timers. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Whether a pending timer would keep a real process alive. */
  get holdsProcess(): boolean {
    return [...this.#timers].some((timer) => timer.holdsProcess);
  }

  /** A promise that resolves after `delayMs` of fake time. */
  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.after(delayMs, resolve));
  }

  /** Runs all promises and turns of the event loop that need no time. */
  async settle(): Promise<void> {
    do {
      await new Promise(setImmediate);
      const turns = this.#turns;
      this.#turns = [];
      for (const run of turns) run();
    } while (this.#turns.length > 0);
    await new Promise(setImmediate);
    if (this.#turns.length > 0) await this.settle();
  }

  /** Moves the clock on, and runs in order what becomes due. */
  async advance(byMs: number): Promise<void> {
    const end = this.time + byMs;
    let ringsAtOnce = 0;
    await this.settle();
    for (let next = this.#nextUntil(end); next; next = this.#nextUntil(end)) {
      this.#timers.delete(next);
      ringsAtOnce = next.at > this.time ? 0 : ringsAtOnce + 1;
      if (ringsAtOnce > MOST_RINGS_AT_ONCE) throw new Error(`Timers ring over and over at ${this.time} ms.`);
      this.time = Math.max(this.time, next.at);
      next.run();
      await this.settle();
    }
    this.time = end;
  }

  /** Moves the clock on while the event loop is blocked: timers that became due run late, all at once. */
  async block(byMs: number): Promise<void> {
    this.time += byMs;
    await this.advance(0);
  }

  #nextUntil(end: number): PendingTimer | undefined {
    let next: PendingTimer | undefined;
    for (const timer of this.#timers) {
      if (timer.at > end) continue;
      if (!next || timer.at < next.at || (timer.at === next.at && timer.order < next.order)) next = timer;
    }
    return next;
  }
}
