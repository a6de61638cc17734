import type { Policy } from '../policy/policy.js';
import { steadyUseMs } from './rotation.js';
import type { ConnectionFacts, PoolFacts, RetireReason } from './state.js';

/** How long a connection above `reuseConnections` stays, so that a burst does not close and reopen. */
export const LINGER_MS = 1_000;

/** Why a connection may serve no one again. Judged at checkout, at return and while idle, never in use. */
export function wornOut(connection: ConnectionFacts, generation: number, policy: Policy): RetireReason | undefined {
  if (connection.generation !== generation) return 'invalidated';
  if (connection.readOnly) return 'read-only';
  if (connection.uses >= policy.maxUses) return 'max-uses';
  return undefined;
}

/**
 * Whether a connection has lived long enough. It goes when its successor lets it (`succession.ts`).
 *
 * Age does not count before the first use: else a short age and a slow connect would open connections for ever and serve nobody.
 */
export function isOfAge({ expiresAt, uses }: ConnectionFacts, now: number): boolean {
  return now >= expiresAt && uses > 0;
}

/** Why the pool does not need this idle connection. */
export function surplus(
  connection: ConnectionFacts,
  pool: PoolFacts,
  policy: Policy,
  now: number,
): RetireReason | undefined {
  const idleMs = now - connection.idleSince;
  if (pool.size > policy.maxConnections) return 'overflow';
  if (pool.idle > policy.reuseConnections && idleMs >= LINGER_MS) return 'overflow';
  if (pool.size > policy.minConnections && idleMs >= policy.idleTimeoutMs) return 'idle';
  return undefined;
}

/**
 * When a connection born now has lived long enough. The jitter shortens a life and never lengthens it, so that `maxAgeMs` can be
 * set to what a firewall or a proxy allows (HikariCP subtracts; pgxpool and Knex add).
 *
 * @param random in [0, 1)
 */
export function expiryOf(bornAt: number, policy: Policy, random: number): number {
  return bornAt + policy.maxAgeMs * (1 - policy.maxAgeJitter * random);
}

/** With `maxAgeMs: 0` each connection serves once: nothing is kept, so nothing is warmed up or kept alive. */
export function keepsConnections(policy: Policy): boolean {
  return policy.maxAgeMs > 0;
}

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
