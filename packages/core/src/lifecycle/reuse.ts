import type { EffectiveLimits } from '../policy/limits.js';
import type { Policy } from '../policy/policy.js';
import type { CloseReason } from './state.js';

/** Why connections are not reused, as far as a pool can see that. */
export const NOT_REUSED_CAUSES = [
  'max-age',
  'max-uses',
  'idle',
  'reuse-conns',
  'shared-limit',
  'discarded',
  'ended-by-app',
  'ended',
  'crowded',
  'other',
] as const;

export type NotReusedCause = (typeof NOT_REUSED_CAUSES)[number];

/** A connection that is being closed. */
export interface ClosedConnection {
  readonly reason: CloseReason;
  /** It has ended already, as the pool has seen. */
  readonly hasEnded: boolean;
  /** The app itself has ended it. */
  readonly byApp: boolean;
  /** How long it had been idle; 0 for one that was in use. */
  readonly idleMs: number;
  /** Pools that share the limit. */
  readonly owners: number;
}

/** A connection that ended when it had been idle for this long was closed as one that is idle. Sooner, or in use, it met a fault. */
const RESTED_MS = 1_000;

/** Why this connection will not be reused; `undefined` where that says nothing of how the pool is used: it closes, or the connection met a fault. */
export function lossOf(
  { reason, hasEnded, byApp, idleMs, owners }: ClosedConnection,
  { reuseConnections, maxConnections }: Policy,
): NotReusedCause | undefined {
  switch (reason) {
    case 'max-age':
    case 'max-uses':
    case 'idle':
    case 'crowded':
      return reason;
    case 'overflow':
      return owners > 1 && reuseConnections >= maxConnections ? 'shared-limit' : 'reuse-conns';
    case 'discarded':
      return hasEnded ? undefined : reason;
    case 'broken':
    case 'failed-check':
      if (byApp) return 'ended-by-app';
      return idleMs >= RESTED_MS ? 'ended' : undefined;
    case 'closing':
      return undefined;
    default:
      return 'other';
  }
}

/** What has happened in a pool since a moment. */
export interface ReuseFacts {
  readonly forMs: number;
  readonly acquired: number;
  readonly opened: number;
  /** Connections that will not be reused, by cause. */
  readonly lost: Readonly<Record<NotReusedCause, number>>;
}

/**
 * A pool is judged once so many connections were replaced. More than a start, a deployment of the server or a failover replaces, also several of them;
 * few enough for a pool that is used once a second to be judged within two minutes.
 */
const LEAST_REPLACED = 100;
/** And once each place was taken so often: a large pool that fills and empties with the load replaces many. */
const LEAST_TIMES = 3;
/** What happened longer ago does not count: a pool whose load comes in bursts, hours apart, opens connections for each and loses nothing by it. */
const LONGEST_MS = 10 * 60_000;
/** At most two uses a connection: from three on, reuse has saved most of the connects. */
const REPLACED_SHARE = 0.5;

/** What to make of the facts: too few to judge by, connections are reused, or they are not, for the likeliest of the causes. */
export type ReuseVerdict = 'too-early' | 'reused' | NotReusedCause;

/** Whether connections are replaced almost as fast as they are used. One that only fills the pool is not one that is replaced. */
export function judgeReuse(
  { forMs, acquired, opened, lost }: ReuseFacts,
  { maxConnections }: EffectiveLimits,
): ReuseVerdict {
  const replaced = Math.min(
    opened,
    NOT_REUSED_CAUSES.reduce((sum, cause) => sum + lost[cause], 0),
  );
  if (forMs > LONGEST_MS) return 'reused';
  if (replaced < Math.max(LEAST_REPLACED, LEAST_TIMES * maxConnections)) return 'too-early';
  if (replaced < REPLACED_SHARE * acquired) return 'reused';
  return NOT_REUSED_CAUSES.reduce((most, cause) => (lost[cause] > lost[most] ? cause : most));
}

/** A pool beside others on one target, of the same process. */
export interface PoolBeside {
  /** Milliseconds since it opened its first connection. */
  readonly ageMs: number;
  readonly acquired: number;
  readonly opened: number;
}

/** More pools than an app has on purpose for one database. */
const LEAST_POOLS = 20;
/** A younger pool may not have come to its second use. */
const SETTLED_MS = 5_000;

/** Whether pools on one target, none of which is closing, are made one after the other, and hardly use what they open. */
export function areMadeAnew(pools: readonly PoolBeside[]): boolean {
  const settled = pools.filter(({ ageMs }) => ageMs >= SETTLED_MS && ageMs <= LONGEST_MS);
  const sum = (key: 'acquired' | 'opened') => settled.reduce((total, pool) => total + pool[key], 0);
  return settled.length >= LEAST_POOLS && sum('opened') >= REPLACED_SHARE * sum('acquired');
}
