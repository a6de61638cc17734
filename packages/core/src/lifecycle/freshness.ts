import type { Policy } from '../policy/policy.js';
import type { Epoch } from './epoch.js';
import type { ConnectionFacts } from './facts.js';

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
