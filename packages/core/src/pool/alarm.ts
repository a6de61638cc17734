import type { Runtime, Timer } from './runtime.js';

/** One timer for many moments: it rings for the soonest, and whoever hears it says when it should ring next. */
export class Alarm {
  #timer: Timer | undefined;
  #dueAt = Number.POSITIVE_INFINITY;
  #holdsProcess = false;

  constructor(
    private readonly runtime: Runtime,
    /** Told when it was due: a timer rings late when the process stood still. */
    private readonly ring: (dueAt: number) => void,
  ) {}

  /** When it will ring; `Infinity` when it will not. */
  get dueAt(): number {
    return this.#dueAt;
  }

  /** Rings at this moment at the latest. Costs a comparison when it is already set for that. */
  setFor(moment: number, now: number): void {
    if (moment >= this.#dueAt) return;
    this.#timer?.cancel();
    // What is asked for in the past is due now, and not late.
    this.#dueAt = Math.max(moment, now);
    this.#timer = this.runtime.after(this.#dueAt - now, () => this.#fire());
    if (this.#holdsProcess) this.#timer.ref();
  }

  /** Whether a pending ring keeps the process alive. */
  hold(holdsProcess: boolean): void {
    if (this.#holdsProcess === holdsProcess) return;
    this.#holdsProcess = holdsProcess;
    if (holdsProcess) this.#timer?.ref();
    else this.#timer?.unref();
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#dueAt = Number.POSITIVE_INFINITY;
  }

  #fire(): void {
    const dueAt = this.#dueAt;
    this.#timer = undefined;
    this.#dueAt = Number.POSITIVE_INFINITY;
    this.ring(dueAt);
  }
}
