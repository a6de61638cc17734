import type { EffectiveLimits } from '../policy/limits.js';
import type { Policy } from '../policy/policy.js';
import type { CloseReason } from './state.js';

/** Why connections are not reused, as far as a pool can see. */
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
  /** Whether the pool has seen it end already. */
  readonly hasEnded: boolean;
  /** Whether the app itself has ended it. */
  readonly byApp: boolean;
  /** How long it had been idle; 0 if it was in use. */
  readonly idleMs: number;
  /** Pools that share the limit. */
  readonly owners: number;
}

/** A connection that ended after this long idle was closed for being idle. If it ended sooner, or in use, the cause was a fault. */
const RESTED_MS = 1_000;

/**
 * Why this connection will not be reused; `undefined` if its end shows nothing about the use of the pool: the pool closes, or the
 * connection met a fault.
 */
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
 * A pool is judged once this many connections were replaced. That is more than a start, a deployment of the server or several
 * failovers replace, and few enough to judge a pool that is used once a second within two minutes.
 */
const LEAST_REPLACED = 100;
/** In addition, each place must have been taken this often: a large pool that fills and empties with the load replaces many. */
const LEAST_TIMES = 3;
/** Older facts do not count: a pool whose load comes in bursts, hours apart, opens connections for each, and loses nothing by it. */
const LONGEST_MS = 10 * 60_000;
/** A share of replaced connections that means at most two uses for each. With three uses, reuse has saved most of the connects. */
const REPLACED_SHARE = 0.5;

/** The judgement of the facts: too few of them, connections are reused, or they are not, for the likeliest of the causes. */
export type ReuseVerdict = 'too-early' | 'reused' | NotReusedCause;

/** Whether connections are replaced almost as fast as they are used. A connection that only fills the pool does not count as replaced. */
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

/** One of several pools on one target, in the same process. */
export interface PoolBeside {
  /** Milliseconds since the pool opened its first connection. */
  readonly ageMs: number;
  readonly acquired: number;
  readonly opened: number;
}

/** No app has as many pools for one database on purpose. */
const LEAST_POOLS = 20;
/** A younger pool may not have reached its second use. */
const SETTLED_MS = 5_000;

/** Whether pools on one target, none of which is closing, are made one after the other and hardly use their connections. */
export function areMadeAnew(pools: readonly PoolBeside[]): boolean {
  const settled = pools.filter(({ ageMs }) => ageMs >= SETTLED_MS && ageMs <= LONGEST_MS);
  const sum = (key: 'acquired' | 'opened') => settled.reduce((total, pool) => total + pool[key], 0);
  return settled.length >= LEAST_POOLS && sum('opened') >= REPLACED_SHARE * sum('acquired');
}
