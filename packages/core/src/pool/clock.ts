import { performance } from 'node:perf_hooks';
import * as timers from 'node:timers';

/** A timer that was started. Cancelling one that has fired does nothing. */
export interface Timer {
  cancel(): void;
  /** Makes the timer keep the process alive. */
  ref(): void;
  /** Lets the process exit although the timer is pending. */
  unref(): void;
}

/** Time and chance. The pool uses no other source of them, so that tests can inject both. */
export interface Runtime {
  /** Milliseconds of a clock that never goes back. It may stop while the process is frozen. */
  now(): number;
  /** Whole milliseconds of the wall clock, which may be set forward and back. */
  wall(): number;
  /** A number in [0, 1). */
  random(): number;
  /** Runs once after `delayMs`, or after 24.8 days if that is sooner. The timer does not keep the process alive until `ref()` is called. */
  after(delayMs: number, run: () => void): Timer;
  /** Runs in the next turn of the event loop, after the data of this turn has been read from the sockets. */
  nextTurn(run: () => void): void;
}

/** The longest delay a Node timer can hold, 24.8 days. A longer one would fire at once. */
const LONGEST_DELAY_MS = 2 ** 31 - 1;

// Read once, when this file is loaded. An app's tests replace the globals, and the functions of `node:timers`, by fakes. With
// fakes no check and no wait would ever end.
const setTimeout = genuine('setTimeout', timers.setTimeout);
const clearTimeout = genuine('clearTimeout', timers.clearTimeout);
const setImmediate = genuine('setImmediate', timers.setImmediate);
// A fake is a property of the object itself, so the one of the prototype is genuine. Bun has the genuine one on the object, and
// none on the prototype.
const now: () => number = (Object.getPrototypeOf(performance).now ?? performance.now).bind(performance);

/** Runs before the next turn of the event loop. An error of `run` is an uncaught exception. */
export const soon = genuine('queueMicrotask', queueMicrotask);
/** `process.nextTick`. */
export const nextTick = genuine('nextTick', process.nextTick);

/** The platform's own function. Fakes of sinon, Vitest and Jest come from one library, whose clock keeps what it has replaced. */
function genuine<F>(name: string, found: F): F {
  return (found as { readonly clock?: Record<string, F | undefined> }).clock?.[`_${name}`] ?? found;
}

/** The genuine `Date.now`: a fake one would stop the pool's clock. */
function wallClock(): () => number {
  const isGenuine = Function.prototype.toString.call(Date.now).includes('[native code]');
  return isGenuine ? Date.now : () => Math.floor(performance.timeOrigin + now());
}

/** The real clock, timers and randomness of this process, even while an app's tests replace them. */
export const systemRuntime: Runtime = {
  now,
  wall: wallClock(),
  random: Math.random,
  after(delayMs, run) {
    const timeout = setTimeout(run, Math.min(Math.ceil(delayMs), LONGEST_DELAY_MS));
    timeout.unref();
    return {
      cancel: () => clearTimeout(timeout),
      ref: () => void timeout.ref(),
      unref: () => void timeout.unref(),
    };
  },
  nextTurn: (run) => void setImmediate(run),
};

/** Runs after two turns of the event loop. One is not enough: after the poll phase the next turn comes before the sockets are read again. */
export function afterTwoTurns(runtime: Runtime, run: () => void): void {
  runtime.nextTurn(() => runtime.nextTurn(run));
}

/** If the wall clock runs ahead of the other one by this much between two reads, it has jumped. As long as the default of `healthBypassMs`. */
const JUMP_MS = 500;

/**
 * The clock of the warm path, and a detector of freezes. The clock of a process may stop while a laptop sleeps or a function is suspended. The wall
 * clock goes on, so a forward jump of it shows the freeze. A backward jump shows nothing.
 */
export class Clock {
  readonly #runtime: Runtime;
  #onJump: ((byMs: number, now: number) => void) | undefined;
  #wall: number;
  #now: number;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
    this.#wall = runtime.wall();
    this.#now = runtime.now();
  }

  /** Calls back after each forward jump: the process was frozen, or the wall clock was set. These two look the same. */
  onJump(run: (byMs: number, now: number) => void): void {
    this.#onJump = run;
  }

  /**
   * The time of the pool's clock, at most a millisecond too early. It reads the wall clock, and the other one only when the
   * millisecond has changed.
   */
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
    if (aheadMs >= JUMP_MS) this.#onJump?.(aheadMs, now);
  }
}

/** One timer for many moments: it rings for the soonest, and its listener sets the next one. */
export class Alarm {
  readonly #runtime: Runtime;
  #ring: ((dueAt: number) => void) | undefined;
  #timer: Timer | undefined;
  #dueAt = Number.POSITIVE_INFINITY;
  #holdsProcess = false;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** Calls back with the moment for which it was set, since a timer rings late when the process was frozen. */
  onRing(run: (dueAt: number) => void): void {
    this.#ring = run;
  }

  /** When it will ring; `Infinity` if it is not set. */
  get dueAt(): number {
    return this.#dueAt;
  }

  /** Rings at this moment at the latest. Costs a comparison when it is already set for that. */
  setFor(moment: number, now: number): void {
    if (moment >= this.#dueAt) return;
    this.#timer?.cancel();
    // A moment in the past is due now: it must not count as late.
    this.#dueAt = Math.max(moment, now);
    this.#timer = this.#runtime.after(this.#dueAt - now, () => this.#fire());
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
    this.#ring?.(dueAt);
  }
}
