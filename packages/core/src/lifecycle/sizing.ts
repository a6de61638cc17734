import type { Policy } from '../policy/policy.js';
import { keepsConnections } from './retirement.js';
import { isUnreachable, retryAt, type Trouble } from './trouble.js';

/** Opens in flight at most, and so what a server that has just gone down gets at once. The first connect of a pool, and the first after a failure, goes alone. */
const OPENS_AT_ONCE = 3;

/** What decides how many connections to open. */
export interface Demand {
  readonly waiting: number;
  /** Someone has been told lately that the server is unreachable, and would come back. */
  readonly wanted: boolean;
  /** Connections that are about to serve a waiter without being opened: checks and returns that are not late. */
  readonly expected: number;
  readonly opening: number;
  /** Connections that are open: idle, checking, used or returning. */
  readonly alive: number;
  /** Connections still being closed; the server counts them until they are gone. */
  readonly closing: number;
  /** Places of other pools that keep to the same limit. */
  readonly elsewhere?: number;
  /** A connection that has come of age waits for its successor. */
  readonly successor: boolean;
  /** A connect has succeeded, and none has failed since. */
  readonly proven: boolean;
  readonly trouble: Trouble | undefined;
}

/** How many connections to start opening now. Follows demand: what nobody waits for any more is not opened. */
export function opensWanted(demand: Demand, policy: Policy, now: number): number {
  if (now < opensAllowedFrom(demand)) return 0;
  const { opening, alive, closing, elsewhere = 0, proven } = demand;
  const room = policy.maxConnections - alive - opening - closing - elsewhere;
  const atOnce = (proven ? OPENS_AT_ONCE : 1) - opening;
  return Math.max(0, Math.min(missing(demand, policy, now), room, atOnce));
}

/** How many connections the pool lacks, whether or not it may open them now. */
export function missing(demand: Demand, policy: Policy, now: number): number {
  const { waiting, expected, opening, alive, elsewhere = 0, successor, trouble } = demand;
  const forWaiters = waiting - expected - opening;
  const forMinimum = keepsConnections(policy) ? policy.minConnections - alive - opening - elsewhere : 0;
  // Callers are being refused: the pool itself must find out when the server is back.
  const asProbe = trouble && alive === 0 && isUnreachable(trouble, policy, now) ? 1 - opening : 0;
  return Math.max(forWaiters, forMinimum, asProbe, successor ? 1 : 0);
}

/** From when on a connection may be opened: at once, or after the back-off of the last failure. */
export function opensAllowedFrom({ trouble, waiting, wanted, alive }: Demand): number {
  if (trouble === undefined) return Number.NEGATIVE_INFINITY;
  const urgent = (waiting > 0 || wanted) && (trouble.kind !== 'full' || alive === 0);
  return retryAt(trouble, urgent);
}
