import type { Policy } from '../policy/policy.js';
import { retryAt, type Trouble } from './backoff.js';
import type { Epoch } from './freshness.js';
import { keepsConnections } from './retirement.js';

/** What decides how many connections to open. */
export interface Demand {
  readonly waiting: number;
  /** A caller has been refused at once since connects began to fail: the pool itself must find out when the server is back. */
  readonly refusing: boolean;
  /** That was a moment ago: others will ask. */
  readonly wanted: boolean;
  /** Connections that are about to serve a waiter without being opened: checks and returns that are not late. */
  readonly expected: number;
  /** Connects under way that are not late. */
  readonly opening: number;
  /** Connects under way that are late: they take up room, and nobody counts on them. */
  readonly late: number;
  /** Connections that are open: idle, checking, used or returning. */
  readonly alive: number;
  /** Connections still being closed; the server counts them until they are gone. */
  readonly closing: number;
  /** Places of other pools that keep to the same limit. */
  readonly elsewhere?: number;
  /** A connection that has come of age waits for its successor. */
  readonly successor: boolean;
  /** Connects that may be under way at once, late ones left out. */
  readonly atOnce: number;
  readonly trouble: Trouble | undefined;
}

/** How many connections to start opening now. Follows demand: what nobody waits for any more is not opened. */
export function opensWanted(demand: Demand, policy: Policy, now: number): number {
  if (now < opensAllowedFrom(demand)) return 0;
  const { opening, late, alive, closing, elsewhere = 0 } = demand;
  const room = policy.maxConnections - alive - opening - late - closing - elsewhere;
  // A server that leaves connects unanswered gets them one at a time.
  const atOnce = (late > 0 ? 1 : demand.atOnce) - opening;
  return Math.max(0, Math.min(missing(demand, policy), room, atOnce));
}

/** How many connections the pool lacks, whether or not it may open them now. */
export function missing(demand: Demand, policy: Policy): number {
  const { waiting, expected, opening, alive, elsewhere = 0, successor, trouble, refusing } = demand;
  const forWaiters = waiting - expected - opening;
  const forMinimum = keepsConnections(policy) ? policy.minConnections - alive - opening - elsewhere : 0;
  const asProbe = trouble && alive === 0 && refusing ? 1 - opening : 0;
  return Math.max(forWaiters, forMinimum, asProbe, successor ? 1 : 0);
}

/** From when on a connection may be opened: at once, or after the back-off of the last failure. */
export function opensAllowedFrom({ trouble, waiting, wanted, alive }: Demand): number {
  if (trouble === undefined) return Number.NEGATIVE_INFINITY;
  const urgent = (waiting > 0 || wanted) && (trouble.kind !== 'full' || alive === 0);
  return retryAt(trouble, urgent);
}

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
