/** A timer that was started. Cancelling one that has fired does nothing. */
export interface Timer {
  cancel(): void;
  /** Lets the timer keep the process alive. */
  ref(): void;
  /** Lets the process exit although the timer is pending. */
  unref(): void;
}

/** Time and chance, as the engine sees them: the only way to either, so that tests can inject both. */
export interface Runtime {
  /** Milliseconds of a clock that never goes back. It may stop while the process is frozen. */
  now(): number;
  /** Whole milliseconds of the wall clock, which may be set forward and back. */
  wall(): number;
  /** A number in [0, 1). */
  random(): number;
  /** Runs once after `delayMs`, or after 24.8 days if that is sooner. The timer does not keep the process alive until `ref()` is called. */
  after(delayMs: number, run: () => void): Timer;
  /** Runs in the next turn of the event loop, after what waits in sockets for this turn has been read. */
  nextTurn(run: () => void): void;
}

/** The longest delay a Node timer can hold, 24.8 days. A longer one would fire at once. */
const LONGEST_DELAY_MS = 2 ** 31 - 1;

/** The real clock, timers and randomness of this process. */
export const systemRuntime: Runtime = {
  now: performance.now.bind(performance),
  wall: Date.now,
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

/**
 * Runs after two turns of the event loop. One is not enough: from the poll phase the next turn comes before the sockets are read again.
 */
export function afterTwoTurns(runtime: Runtime, run: () => void): void {
  runtime.nextTurn(() => runtime.nextTurn(run));
}
