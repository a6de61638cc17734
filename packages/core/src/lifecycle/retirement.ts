import type { EffectiveLimits } from '../policy/limits.js';
import type { Policy } from '../policy/policy.js';
import { steadyUseMs } from './rotation.js';
import type { CloseReason, ConnectionFacts, PoolFacts } from './state.js';

/** How long a connection above `reuseConnections` stays open, so that a burst does not close and reopen. */
export const LINGER_MS = 1_000;

/** Why a connection must not be used again. Judged at checkout, at return and while idle, never in use. */
export function retireReason(connection: ConnectionFacts, generation: number, policy: Policy): CloseReason | undefined {
  if (connection.generation !== generation) return 'invalidated';
  if (connection.readOnly) return 'read-only';
  if (connection.uses >= policy.maxUses) return 'max-uses';
  return undefined;
}

/**
 * Whether a connection has reached its maximum age. Rotation decides when it is closed for that (`rotation.ts`).
 *
 * Age does not count before the first use: else a short age and a slow connect would open connections for ever and serve nobody.
 */
export function isExpired({ expiresAt, uses }: ConnectionFacts, now: number): boolean {
  return now >= expiresAt && uses > 0;
}

/** Why the pool does not need this idle connection. */
export function surplusReason(
  connection: ConnectionFacts,
  { size, idle, limits }: PoolFacts,
  policy: Policy,
  now: number,
): CloseReason | undefined {
  const idleMs = now - connection.idleSince;
  if (size > limits.maxConnections) return 'overflow';
  if (idle > limits.reuseConnections && idleMs >= LINGER_MS) return 'overflow';
  if (size > limits.minConnections && idleMs >= policy.idleTimeoutMs) return 'idle';
  return undefined;
}

/**
 * When a connection opened now reaches its maximum age. The jitter shortens a life and never lengthens it, so that `maxAgeMs` can be
 * set to what a firewall or a proxy allows (HikariCP subtracts; pgxpool and Knex add).
 *
 * @param random in [0, 1)
 */
export function expiryOf(openedAt: number, policy: Policy, random: number): number {
  return openedAt + policy.maxAgeMs * (1 - policy.maxAgeJitter * random);
}

/** With `maxAgeMs: 0` each connection serves once: none is kept, so none is opened ahead or pinged in the background. */
export function keepsConnections(policy: Policy): boolean {
  return policy.maxAgeMs > 0;
}

/** What to do with an idle connection: close it for a reason, replace it when its turn in the rotation comes, ping it, or leave it. */
export type Maintenance = { readonly close: CloseReason } | 'rotate' | 'ping' | 'leave';

export function maintenanceOf(connection: ConnectionFacts, pool: PoolFacts, policy: Policy, now: number): Maintenance {
  const reason = retireReason(connection, pool.generation, policy) ?? surplusReason(connection, pool, policy, now);
  if (reason !== undefined) return { close: reason };
  if (isExpired(connection, now)) return 'rotate';
  return now >= keepaliveDue(connection, policy) ? 'ping' : 'leave';
}

/** How much sooner than `keepaliveMs` some are pinged, so that connections last used together are not pinged together (as HikariCP does). */
const KEEPALIVE_SPREAD = 0.2;

function keepaliveDue({ answeredAt, spread }: ConnectionFacts, policy: Policy): number {
  if (!policy.healthChecks || !keepsConnections(policy)) return Number.POSITIVE_INFINITY;
  return answeredAt + policy.keepaliveMs * (1 - KEEPALIVE_SPREAD * spread);
}

/**
 * When this idle connection next needs maintenance because of the time alone. Moments in the past do not count: that maintenance was done, or
 * waits for something other than time.
 */
export function nextMaintenance(connection: ConnectionFacts, pool: PoolFacts, policy: Policy, now: number): number {
  const moments = [
    connection.expiresAt,
    connection.idleSince + policy.idleTimeoutMs,
    keepaliveDue(connection, policy),
    pool.idle > pool.limits.reuseConnections ? connection.idleSince + LINGER_MS : Number.POSITIVE_INFINITY,
    isExpired(connection, now) ? connection.idleSince + steadyUseMs(policy) : Number.POSITIVE_INFINITY,
  ];
  return Math.min(...moments.map((moment) => (moment > now ? moment : Number.POSITIVE_INFINITY)));
}

/**
 * The shortest time after which a connection that becomes idle can need maintenance. A timer set no later than this needs no change when a
 * connection returns: that keeps timers off the warm path.
 */
export function soonestMaintenanceMs(policy: Policy, limits: EffectiveLimits): number {
  const lingerMs = limits.reuseConnections < limits.maxConnections ? LINGER_MS : Number.POSITIVE_INFINITY;
  const hasKeepalive = policy.healthChecks && keepsConnections(policy);
  const keepaliveMs = hasKeepalive ? policy.keepaliveMs * (1 - KEEPALIVE_SPREAD) : Number.POSITIVE_INFINITY;
  return Math.min(policy.idleTimeoutMs, keepaliveMs, lingerMs);
}
