import type { Policy } from '../policy/policy.js';
import type { ConnectionFacts } from './state.js';

/**
 * What must happen before a connection is handed out.
 *
 * - `fresh`: nothing; it was heard from a moment ago.
 * - `listen`: two turns of the event loop, so that a goodbye which already waits in the socket is read. Costs no I/O.
 * - `ask`: a round trip to the server.
 */
export type Freshness = 'fresh' | 'listen' | 'ask';

/** A goodbye that arrived within this time is so unlikely that listening for it is not worth two turns. */
const JUST_HEARD_MS = 5;

/**
 * How far a connection can be trusted, by when it was last heard from, and what has happened since.
 *
 * @param roundTripMs what a check takes now. A connection heard from within that time is as fresh as a check could make it: asking all of them
 *   would double the wait of every caller of a slow server
 */
export function freshness(
  { heardAt, epoch }: Pick<ConnectionFacts, 'heardAt' | 'epoch'>,
  current: Epoch,
  policy: Policy,
  now: number,
  roundTripMs = 0,
): Freshness {
  if (!policy.healthChecks) return 'fresh';
  const silentMs = now - heardAt;
  const { healthBypassMs } = policy;
  if (epoch < current.number) return 'ask';
  // With a bypass of 0 every reuse is checked, whatever a check takes.
  if (silentMs > healthBypassMs && (healthBypassMs === 0 || silentMs > roundTripMs)) return 'ask';
  return silentMs <= JUST_HEARD_MS ? 'fresh' : 'listen';
}

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
