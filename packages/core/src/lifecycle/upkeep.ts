import type { Policy } from '../policy/policy.js';
import type { RetireReason } from './connectionState.js';
import type { ConnectionFacts, PoolFacts } from './facts.js';
import { isOfAge, keepsConnections, LINGER_MS, surplus, wornOut } from './retirement.js';
import { steadyUseMs } from './succession.js';

/** What to do with an idle connection: retire it for a reason, replace it when its turn comes, check it in the background, or leave it. */
export type Upkeep = { readonly retire: RetireReason } | 'succeed' | 'check' | 'leave';

export function upkeep(connection: ConnectionFacts, pool: PoolFacts, policy: Policy, now: number): Upkeep {
  const reason = wornOut(connection, pool.generation, policy) ?? surplus(connection, pool, policy, now);
  if (reason !== undefined) return { retire: reason };
  if (isOfAge(connection, now)) return 'succeed';
  return now >= keepaliveDue(connection, policy) ? 'check' : 'leave';
}

/** How much sooner than `keepaliveMs` some are checked, so that connections last heard from together are not checked together (as HikariCP does). */
const KEEPALIVE_SPREAD = 0.2;

function keepaliveDue({ heardAt, spread }: ConnectionFacts, policy: Policy): number {
  if (!policy.healthChecks || !keepsConnections(policy)) return Number.POSITIVE_INFINITY;
  return heardAt + policy.keepaliveMs * (1 - KEEPALIVE_SPREAD * spread);
}

/**
 * When the passing of time alone will next call for something on this idle connection. Moments that have passed do not count: what they
 * called for was done, or waits for something other than time.
 */
export function nextUpkeep(connection: ConnectionFacts, pool: PoolFacts, policy: Policy, now: number): number {
  const moments = [
    connection.expiresAt,
    connection.idleSince + policy.idleTimeoutMs,
    keepaliveDue(connection, policy),
    pool.idle > policy.reuseConnections ? connection.idleSince + LINGER_MS : Number.POSITIVE_INFINITY,
    isOfAge(connection, now) ? connection.idleSince + steadyUseMs(policy) : Number.POSITIVE_INFINITY,
  ];
  return Math.min(...moments.map((moment) => (moment > now ? moment : Number.POSITIVE_INFINITY)));
}

/**
 * The soonest that a connection returned at some moment can need upkeep for being idle. A timer that is set no later than this needs no
 * change when a connection returns, which is what keeps timers off the warm path.
 */
export function soonestUpkeepMs(policy: Policy): number {
  const lingerMs = policy.reuseConnections < policy.maxConnections ? LINGER_MS : Number.POSITIVE_INFINITY;
  const keepalive = policy.healthChecks && keepsConnections(policy);
  const keepaliveMs = keepalive ? policy.keepaliveMs * (1 - KEEPALIVE_SPREAD) : Number.POSITIVE_INFINITY;
  return Math.min(policy.idleTimeoutMs, keepaliveMs, lingerMs);
}
