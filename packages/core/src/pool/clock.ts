import type { Runtime } from './runtime.js';

/** The wall clock running this far ahead of the other one between two looks is a jump. As long as the default of `healthBypassMs`. */
const JUMP_MS = 500;

/**
 * The warm path's look at the clocks. The clock of a process may stop while a laptop sleeps or a function is suspended; the wall clock goes
 * on, so that its jump tells of the freeze. One that jumps back tells nothing.
 */
export class Clock {
  readonly #runtime: Runtime;
  readonly #onJump: (byMs: number, now: number) => void;
  #wall: number;
  #now: number;

  /** @param onJump told of a forward jump: the process was frozen, or the wall clock was set. Nobody can tell which. */
  constructor(runtime: Runtime, onJump: (byMs: number, now: number) => void) {
    this.#runtime = runtime;
    this.#onJump = onJump;
    this.#wall = runtime.wall();
    this.#now = runtime.now();
  }

  /** The moment, at most a millisecond too early. Mostly it reads one clock: while the wall clock shows the same millisecond, so does the other. */
  read(): number {
    const wall = this.#runtime.wall();
    if (wall !== this.#wall) this.#moveOn(wall);
    return this.#now;
  }

  #moveOn(wall: number): void {
    const now = this.#runtime.now();
    const aheadMs = wall - this.#wall - (now - this.#now);
    this.#wall = wall;
    this.#now = now;
    if (aheadMs >= JUMP_MS) this.#onJump(aheadMs, now);
  }
}
