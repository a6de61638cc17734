import type { EffectiveLimits } from '../policy/limits.js';
import type { Policy } from '../policy/policy.js';
import { type ConnectFailures, retryAt } from './backoff.js';
import type { TrustEpoch } from './freshness.js';
import { keepsConnections } from './retirement.js';

/** The facts that decide how many connections to open. */
export interface Demand {
  readonly waiting: number;
  /** Whether a caller was refused at once since connects began to fail. The pool must then find out by itself when the server is back. */
  readonly hasRefused: boolean;
  /** Whether that was a moment ago, so that more callers are likely. */
  readonly hasRefusedLately: boolean;
  /** Connections that are about to serve a caller in line without being opened: checks and returns that are not late. */
  readonly expected: number;
  /** Connects under way that are not late. */
  readonly opening: number;
  /** Late connects under way: they take up room, and the pool does not count on them. */
  readonly late: number;
  /** Connections that are open: idle, checking, used or returning. */
  readonly open: number;
  /** Connections being closed. The server counts them until they are gone. */
  readonly closing: number;
  /** Connections of other pools that share this limit. */
  readonly elsewhere?: number;
  /** Whether an expired connection waits for its successor. */
  readonly successor: boolean;
  /** Connects that may be under way at once, late ones left out. */
  readonly atOnce: number;
  readonly failures: ConnectFailures | undefined;
  readonly limits: EffectiveLimits;
}

/** How many connections to start opening now. The number follows demand: none is opened for a caller who has left. */
export function opensWanted(demand: Demand, policy: Policy, now: number): number {
  if (now < opensAllowedFrom(demand)) return 0;
  const { opening, late, open, closing, elsewhere = 0, limits } = demand;
  const room = limits.maxConnections - open - opening - late - closing - elsewhere;
  // A server that leaves connects unanswered gets one at a time.
  const atOnce = (late > 0 ? Math.min(1, demand.atOnce) : demand.atOnce) - opening;
  return Math.max(0, Math.min(missing(demand, policy), room, atOnce));
}

/** How many connections the pool lacks, whether or not it may open them now. */
export function missing(demand: Demand, policy: Policy): number {
  const { waiting, expected, opening, open, elsewhere = 0, successor, failures, hasRefused, limits } = demand;
  const forWaiters = waiting - expected - opening;
  const forMinimum = keepsConnections(policy) ? limits.minConnections - open - opening - elsewhere : 0;
  const asProbe = failures && open === 0 && hasRefused ? 1 - opening : 0;
  return Math.max(forWaiters, forMinimum, asProbe, successor ? 1 : 0);
}

/** The earliest moment at which a connection may be opened: now, or after the backoff of the last failure. */
export function opensAllowedFrom({ failures, waiting, hasRefusedLately, open }: Demand): number {
  if (failures === undefined) return Number.NEGATIVE_INFINITY;
  const urgent = (waiting > 0 || hasRefusedLately) && (failures.kind !== 'full' || open === 0);
  return retryAt(failures, urgent);
}

/** How fast the pool may grow, by the results of its last connects. An immutable value: each connect that ends makes the next one. */
export interface Growth {
  /** Connects that may be under way at once. */
  readonly atOnce: number;
  /** Average duration of the last connects; `undefined` before the first one. */
  readonly connectMs: number | undefined;
  /** When the last connect succeeded. */
  readonly succeededAt: number;
  /** The trust epoch of the pool at that moment. */
  readonly epoch: number;
}

export const NO_GROWTH: Growth = {
  atOnce: 1,
  connectMs: undefined,
  succeededAt: Number.NEGATIVE_INFINITY,
  epoch: 0,
};

/**
 * Connects at once after the first success, and while the server may have gone down since: more would hit a server that is down
 * before the pool finds out.
 */
const FEW = 3;
const QUIET_MS = 1_000;

/** The share of the newest connect in the average. */
const NEWEST_SHARE = 1 / 4;

/** A connect of this many times the average means that the server is slowing down. Below the floor the cause may be this process. */
const SLOWED_FACTOR = 2;
const SLOWED_FLOOR_MS = 100;

/** A connect of this many times the average is late, within these bounds. Before the first success the upper one applies. */
const LATE_FACTOR = 4;
const LATE_LEAST_MS = 400;
const LATE_MOST_MS = 1_000;

/** How many connects may be under way at once. After a quiet time, and after an incident, the server may not bear more than a few. */
export function atOnceNow(
  { atOnce, connectMs = 0, succeededAt, epoch }: Growth,
  current: TrustEpoch,
  now: number,
): number {
  const isQuiet = now - succeededAt > Math.max(QUIET_MS, SLOWED_FACTOR * connectMs);
  return isQuiet || epoch !== current.number ? Math.min(atOnce, FEW) : atOnce;
}

/**
 * The growth after a successful connect. Each success adds one, which doubles the number in the time of a connect. A server that
 * slows down has it halved.
 */
export function afterSuccess(growth: Growth, tookMs: number, current: TrustEpoch, now: number): Growth {
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

/** The growth after a failed connect, or after a connection that ended as soon as it was open: one at a time again. */
export function afterSetback(growth: Growth): Growth {
  return { ...growth, atOnce: 1 };
}

/** How long a connect may take until the pool does not count on it any more. The connect goes on, and its connection is used if it succeeds. */
export function lateAfterMs({ connectMs = Number.POSITIVE_INFINITY }: Growth): number {
  return Math.min(LATE_MOST_MS, Math.max(LATE_LEAST_MS, LATE_FACTOR * connectMs));
}
