import type { Policy } from '../policy/policy.js';
import { keepsConnections } from './retirement.js';
import { retryAt, type Trouble } from './trouble.js';

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
