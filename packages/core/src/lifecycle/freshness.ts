import type { Policy } from '../policy/policy.js';
import type { ConnectionFacts } from './state.js';

/**
 * What puts all connections of a pool in question.
 *
 * - `disconnect`: one of them was lost, or did not answer.
 * - `read-only`: the server of one takes no writes any more.
 * - `freeze`: the process was frozen, or its event loop blocked for long.
 */
export type Incident = 'disconnect' | 'read-only' | 'freeze';

/**
 * Counts the incidents. A connection that last answered in an earlier epoch is pinged before its next use, so a restart or
 * failover costs one failed check, not one for each connection. An immutable value. It is a counter because clocks can be wrong
 * (SQLAlchemy compares wall clocks here).
 */
export interface TrustEpoch {
  readonly number: number;
  readonly raisedAt: number;
  /** On connections that last answered before this epoch, the check also queries whether the server takes writes. */
  readonly writableUnknownBefore: number;
}

export const FIRST_EPOCH: TrustEpoch = { number: 0, raisedAt: Number.NEGATIVE_INFINITY, writableUnknownBefore: 0 };

/** The epoch after an incident. Many connections report the same disconnect: those of one `healthTimeoutMs` count once. */
export function afterIncident(
  epoch: TrustEpoch,
  incident: Incident,
  { healthTimeoutMs }: Policy,
  now: number,
): TrustEpoch {
  const isCounted =
    incident === 'disconnect' || (incident === 'read-only' && epoch.writableUnknownBefore === epoch.number);
  if (isCounted && now - epoch.raisedAt < healthTimeoutMs) return epoch;
  const number = epoch.number + 1;
  const writableUnknownBefore = incident === 'read-only' ? number : epoch.writableUnknownBefore;
  return { number, raisedAt: now, writableUnknownBefore };
}

/**
 * What must be checked before a connection is lent.
 *
 * - `none`: nothing; the server answered on it a moment ago.
 * - `socket`: two turns of the event loop, in which an end of the connection is read that waits in the socket. Costs no I/O.
 * - `ping`: a round trip to the server.
 */
export type CheckLevel = 'none' | 'socket' | 'ping';

/** An end of the connection this soon after an answer is so unlikely that the check is not worth two turns of the event loop. */
const JUST_ANSWERED_MS = 5;

/**
 * The check that is needed, by the time since the last answer, and by the incidents since then.
 *
 * @param roundTripMs duration of the last ping. A connection that answered within that time is as fresh as a ping could make it:
 * pinging all of them would double the wait of every caller of a slow server
 */
export function checkLevel(
  { answeredAt, epoch }: Pick<ConnectionFacts, 'answeredAt' | 'epoch'>,
  current: TrustEpoch,
  policy: Policy,
  now: number,
  roundTripMs = 0,
): CheckLevel {
  if (!policy.healthChecks) return 'none';
  const silentMs = now - answeredAt;
  const { healthBypassMs } = policy;
  if (epoch < current.number) return 'ping';
  // A bypass of 0 checks every reuse, however long a ping takes.
  if (silentMs > healthBypassMs && (healthBypassMs === 0 || silentMs > roundTripMs)) return 'ping';
  return silentMs <= JUST_ANSWERED_MS ? 'none' : 'socket';
}
