import type { Runtime, Timer } from './runtime.js';

/** One timer for many moments: it rings for the soonest, and whoever hears it says when it should ring next. */
export class Alarm {
  #timer: Timer | undefined;
  #dueAt = Number.POSITIVE_INFINITY;
  #holdsProcess = false;

  constructor(
    private readonly runtime: Runtime,
    private readonly ring: () => void,
  ) {}

  /** When it will ring; `Infinity` when it will not. */
  get dueAt(): number {
    return this.#dueAt;
  }

  /** Rings at this moment at the latest. Costs a comparison when it is already set for that. */
  setFor(moment: number, now: number): void {
    if (moment >= this.#dueAt) return;
    this.#timer?.cancel();
    this.#dueAt = moment;
    this.#timer = this.runtime.after(Math.max(0, moment - now), () => this.#fire());
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
    this.#timer = undefined;
    this.#dueAt = Number.POSITIVE_INFINITY;
    this.ring();
  }
}
