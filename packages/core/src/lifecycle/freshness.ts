import type { Policy } from '../policy/policy.js';

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

/** How far a connection that was last heard from at `heardAt` can be trusted. */
export function freshness(heardAt: number, policy: Policy, now: number): Freshness {
  if (!policy.healthChecks) return 'fresh';
  const silentMs = now - heardAt;
  if (silentMs > policy.healthBypassMs) return 'ask';
  return silentMs <= JUST_HEARD_MS ? 'fresh' : 'listen';
}
