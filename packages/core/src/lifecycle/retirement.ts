import type { Policy } from '../policy/policy.js';
import type { RetireReason } from './connectionState.js';
import type { ConnectionFacts, PoolFacts } from './facts.js';

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
