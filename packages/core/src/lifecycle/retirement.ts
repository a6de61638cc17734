import type { EffectiveLimits } from '../policy/limits.js';
import type { Policy } from '../policy/policy.js';
import type { CloseReason, ConnectionFacts, PoolFacts } from './state.js';

/** How long a connection above `reuseConnections` stays open, so that a burst does not close connections and open them again. */
export const LINGER_MS = 1_000;

/** Why a connection must not be used again. Called at checkout, at return and while idle, never in use. */
export function retireReason(connection: ConnectionFacts, generation: number, policy: Policy): CloseReason | undefined {
  if (connection.generation !== generation) return 'invalidated';
  if (connection.readOnly) return 'read-only';
  if (connection.uses >= policy.maxUses) return 'max-uses';
  return undefined;
}

/**
 * Whether a connection has reached its maximum age. Rotation decides when it is closed for that (`rotate`, below).
 *
 * Age counts from the first use on. Otherwise a short age and a slow connect would open connections for ever and serve no caller.
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
  if (size > limits.maxConnections) return overfullReason(size, policy);
  if (idle > limits.reuseConnections && idleMs >= LINGER_MS) return 'overflow';
  if (size > limits.minConnections && idleMs >= policy.idleTimeoutMs) return 'idle';
  return undefined;
}

/** Whose limit a pool exceeds: its own, or that of its budget. */
export function overfullReason(size: number, { maxConnections }: Policy): CloseReason {
  if (size > maxConnections) return 'overflow';
  return 'budget';
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

/** Whether connections are kept at all. With `maxAgeMs: 0` each serves once, so none is opened ahead or pinged in the background. */
export function keepsConnections(policy: Policy): boolean {
  return policy.maxAgeMs > 0;
}

/** The maintenance of an idle connection: close it for a reason, replace it when its turn in the rotation comes, ping it, or leave it. */
export type Maintenance = { readonly close: CloseReason } | 'rotate' | 'ping' | 'leave';

export function maintenanceOf(connection: ConnectionFacts, pool: PoolFacts, policy: Policy, now: number): Maintenance {
  const reason = retireReason(connection, pool.generation, policy) ?? surplusReason(connection, pool, policy, now);
  if (reason !== undefined) return { close: reason };
  if (isExpired(connection, now)) return 'rotate';
  return now >= keepaliveDue(connection, policy) ? 'ping' : 'leave';
}

/** The part of `keepaliveMs` by which some are pinged sooner, so that connections last used together are not pinged together (as HikariCP does). */
const KEEPALIVE_SPREAD = 0.2;

function keepaliveDue({ answeredAt, spread }: ConnectionFacts, policy: Policy): number {
  if (!policy.healthChecks || !keepsConnections(policy)) return Number.POSITIVE_INFINITY;
  return answeredAt + policy.keepaliveMs * (1 - KEEPALIVE_SPREAD * spread);
}

/**
 * When time alone next makes maintenance of this idle connection necessary. Moments in the past do not count: that maintenance
 * was done, or waits for something other than time.
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
 * The shortest time after which a connection that becomes idle can need maintenance. A timer set no later than this needs no
 * change when a connection returns, which keeps timers off the warm path.
 */
export function soonestMaintenanceMs(policy: Policy, limits: EffectiveLimits): number {
  const lingerMs = limits.reuseConnections < limits.maxConnections ? LINGER_MS : Number.POSITIVE_INFINITY;
  const hasKeepalive = policy.healthChecks && keepsConnections(policy);
  const keepaliveMs = hasKeepalive ? policy.keepaliveMs * (1 - KEEPALIVE_SPREAD) : Number.POSITIVE_INFINITY;
  return Math.min(policy.idleTimeoutMs, keepaliveMs, lingerMs);
}

/**
 * The state of the replacement of expired connections. They are replaced one at a time, so that connections opened together do
 * not reconnect together (PgBouncer spaces them too). While the pool has room, the successor is opened before its predecessor is
 * closed.
 */
export type RotationState =
  /** No replacement is under way; the connect of the last successor began at `since`. */
  | { readonly kind: 'resting'; readonly since: number }
  /** A successor is to be opened. `predecessorIsOpen`: the connection that it replaces has not been closed. */
  | { readonly kind: 'wanted'; readonly predecessorIsOpen: boolean }
  | { readonly kind: 'opening'; readonly since: number; readonly predecessorIsOpen: boolean }
  /** The successor is open: the next expired connection may be closed. */
  | { readonly kind: 'arrived'; readonly since: number };

export const NO_ROTATION: RotationState = { kind: 'resting', since: Number.NEGATIVE_INFINITY };

/** The time between two successors. At most two connections are opened in any 100 ms because of age, with some room for late timers. */
const SPACING_MS = 60;

/** A connection whose idle times between two callers are no longer than this is in steady use. With a short maximum age it is a share of that age. */
const STEADY_MS = 1_000;
const STEADY_SHARE = 0.25;

export function steadyUseMs({ maxAgeMs }: Policy): number {
  return Math.min(STEADY_MS, STEADY_SHARE * maxAgeMs);
}

/** The facts that decide the turn of an expired connection. */
export interface Expired {
  /** It is in steady use. */
  readonly isInUse: boolean;
  /** Whether the pool would fall below its minimum without it. */
  readonly isOfMinimum: boolean;
  /** Whether another connection may be opened beside it. */
  readonly hasRoom: boolean;
}

/** Whether an expired connection is closed now, and the rotation's state after that. */
export function rotate(
  state: RotationState,
  expired: Expired,
  now: number,
): { readonly closes: boolean; readonly next: RotationState } {
  const stays = { closes: false, next: state };
  if (state.kind === 'arrived') return { closes: true, next: { kind: 'resting', since: state.since } };
  // A connection that is not needed is closed without a successor.
  if (!expired.isInUse && !expired.isOfMinimum) return { closes: true, next: state };
  switch (state.kind) {
    case 'opening':
      return stays;
    case 'resting':
      if (now < nextRotation(state)) return stays;
      return { closes: !expired.hasRoom, next: { kind: 'wanted', predecessorIsOpen: expired.hasRoom } };
    case 'wanted':
      // Other connections have taken the room, so this one is closed first, and then replaced.
      if (!state.predecessorIsOpen || expired.hasRoom) return stays;
      return { closes: true, next: { kind: 'wanted', predecessorIsOpen: false } };
  }
}

/** When the next expired connection may be replaced, as far as time decides. */
export function nextRotation(state: RotationState): number {
  return state.kind === 'resting' ? state.since + SPACING_MS : Number.POSITIVE_INFINITY;
}

/** The state after a connect began. */
export function afterConnectBegan(state: RotationState, now: number): RotationState {
  return state.kind === 'wanted' ? { kind: 'opening', since: now, predecessorIsOpen: state.predecessorIsOpen } : state;
}

/** The state after a connect ended. A failed one is not tried again for the sake of age alone. */
export function afterConnectEnded(state: RotationState, hasOpened: boolean): RotationState {
  if (state.kind !== 'opening') return state;
  const { since, predecessorIsOpen } = state;
  return hasOpened && predecessorIsOpen ? { kind: 'arrived', since } : { kind: 'resting', since };
}
