import type { Epoch } from './epoch.js';

/** How fast the pool may grow, from how its last connects went. An immutable value: each connect that ends makes the next one. */
export interface Growth {
  /** Connects that may be under way at once. */
  readonly atOnce: number;
  /** What connects have taken lately, on average; `undefined` before the first one. */
  readonly connectMs: number | undefined;
  /** When the last connect succeeded. */
  readonly succeededAt: number;
  /** In which epoch of the pool that was. */
  readonly epoch: number;
}

export const NO_GROWTH: Growth = {
  atOnce: 1,
  connectMs: undefined,
  succeededAt: Number.NEGATIVE_INFINITY,
  epoch: 0,
};

/** Connects at once after the first that succeeded, and where the server may have gone down since: what it gets before the pool finds out. */
const FEW = 3;
const QUIET_MS = 1_000;

/** The share of the newest connect in the average. */
const NEWEST_SHARE = 1 / 4;

/** A connect that took this many times the average says that the server is slowing down; below the floor it may be this process. */
const SLOWED_FACTOR = 2;
const SLOWED_FLOOR_MS = 100;

/** A connect that takes this many times the average is late, within these bounds; the upper one holds as long as nothing is known. */
const LATE_FACTOR = 4;
const LATE_LEAST_MS = 400;
const LATE_MOST_MS = 1_000;

/**
 * How many connects may be under way at once now. After a quiet time, and after what has called all connections into question, nobody can tell
 * whether the server would take more than a few.
 */
export function atOnceNow({ atOnce, connectMs = 0, succeededAt, epoch }: Growth, current: Epoch, now: number): number {
  const isQuiet = now - succeededAt > Math.max(QUIET_MS, SLOWED_FACTOR * connectMs);
  return isQuiet || epoch !== current.number ? Math.min(atOnce, FEW) : atOnce;
}

/**
 * After a connect that succeeded. Each one adds one, which doubles the number in the time of a connect; a server that slows down has it halved.
 */
export function afterSuccess(growth: Growth, tookMs: number, current: Epoch, now: number): Growth {
  const atOnce = atOnceNow(growth, current, now);
  const { connectMs = tookMs } = growth;
  const isSlowed = tookMs > Math.max(SLOWED_FLOOR_MS, SLOWED_FACTOR * connectMs);
  return {
    atOnce: isSlowed ? Math.max(1, Math.floor(atOnce / 2)) : Math.max(FEW, atOnce + 1),
    connectMs: connectMs + NEWEST_SHARE * (tookMs - connectMs),
    succeededAt: now,
    epoch: current.number,
  };
}

/** After a connect that failed, or a connection that ended as soon as it was open: one at a time again. */
export function afterSetback(growth: Growth): Growth {
  return { ...growth, atOnce: 1 };
}

/** How long a connect may take until nobody counts on it any more. It goes on, and is welcome if it succeeds. */
export function lateAfterMs({ connectMs = Number.POSITIVE_INFINITY }: Growth): number {
  return Math.min(LATE_MOST_MS, Math.max(LATE_LEAST_MS, LATE_FACTOR * connectMs));
}
