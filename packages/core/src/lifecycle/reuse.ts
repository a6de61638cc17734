import type { EffectiveLimits } from '../policy/limits.js';
import type { Policy } from '../policy/policy.js';
import { CLOSE_REASONS, type CloseReason } from './state.js';

/** Why connections are not reused, as far as a pool can see that. */
export type NotReusedCause =
  | 'max-age'
  | 'max-uses'
  | 'idle'
  | 'reuse-conns'
  | 'shared-limit'
  | 'discarded'
  | 'ended-by-app'
  | 'ended'
  | 'crowded'
  | 'other';

/** What has happened in a pool since a moment. */
export interface ReuseFacts {
  readonly forMs: number;
  readonly acquired: number;
  readonly opened: number;
  readonly closed: Readonly<Record<CloseReason, number>>;
  /** Those among the `broken` that the app itself has ended. */
  readonly endedByApp: number;
  /** Pools that share the limit. */
  readonly owners: number;
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

/** Whether connections are replaced almost as fast as they are used. A connection that only fills the pool, or that the closing pool closes, is not one that is replaced. */
export function judgeReuse(facts: ReuseFacts, policy: Policy, { maxConnections }: EffectiveLimits): ReuseVerdict {
  const { forMs, acquired, opened, closed } = facts;
  const lost = CLOSE_REASONS.reduce((sum, reason) => sum + (reason === 'closing' ? 0 : closed[reason]), 0);
  const replaced = Math.min(opened, lost);
  if (forMs > LONGEST_MS) return 'reused';
  if (replaced < Math.max(LEAST_REPLACED, LEAST_TIMES * maxConnections)) return 'too-early';
  return replaced >= REPLACED_SHARE * acquired ? likeliestCause(facts, policy) : 'reused';
}

/** By the reason for which most of the connections were closed. */
function likeliestCause({ closed, endedByApp, owners }: ReuseFacts, policy: Policy): NotReusedCause {
  const reasons = CLOSE_REASONS.filter((reason) => reason !== 'closing');
  const [most] = reasons.sort((one, other) => closed[other] - closed[one]);
  switch (most) {
    case 'max-age':
    case 'max-uses':
    case 'idle':
    case 'discarded':
    case 'crowded':
      return most;
    case 'overflow':
      return owners > 1 && policy.reuseConnections >= policy.maxConnections ? 'shared-limit' : 'reuse-conns';
    case 'broken':
    case 'failed-check':
      return endedByApp * 2 > closed.broken ? 'ended-by-app' : 'ended';
    default:
      return 'other';
  }
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
