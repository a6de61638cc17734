import type { Policy } from '../policy/policy.js';

/**
 * What has happened and calls every connection into question.
 *
 * - `disconnect`: one of them was lost, or did not answer.
 * - `read-only`: the server of one takes no writes any more.
 * - `standstill`: the process was frozen, or its event loop blocked for long.
 */
export type News = 'disconnect' | 'read-only' | 'standstill';

/**
 * A count of the news. A connection last heard from in an earlier epoch is checked before anyone gets it, so that a restart or a failover
 * costs one check in all and not one per connection. An immutable value, and a counter because clocks can be wrong (SQLAlchemy compares
 * wall clocks here).
 */
export interface Epoch {
  readonly number: number;
  readonly raisedAt: number;
  /** Connections last heard from before this epoch are also asked whether their server takes writes. */
  readonly writesInDoubtSince: number;
}

export const FIRST_EPOCH: Epoch = { number: 0, raisedAt: Number.NEGATIVE_INFINITY, writesInDoubtSince: 0 };

/** The epoch after some news. Many connections tell of the same disconnect: those of one `healthTimeoutMs` count once. */
export function afterNews(epoch: Epoch, news: News, { healthTimeoutMs }: Policy, now: number): Epoch {
  const isTold = news === 'disconnect' || (news === 'read-only' && epoch.writesInDoubtSince === epoch.number);
  if (isTold && now - epoch.raisedAt < healthTimeoutMs) return epoch;
  const number = epoch.number + 1;
  const writesInDoubtSince = news === 'read-only' ? number : epoch.writesInDoubtSince;
  return { number, raisedAt: now, writesInDoubtSince };
}
