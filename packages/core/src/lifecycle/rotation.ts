import type { Policy } from '../policy/policy.js';

/**
 * How far a pool is with replacing connections that have come of age: one at a time, so that connections born together do not reconnect
 * together (PgBouncer spaces them too). While the pool has room, the successor is opened before its predecessor goes.
 */
export type Succession =
  /** Nothing is under way; the connect of the last successor began at `since`. */
  | { readonly kind: 'resting'; readonly since: number }
  /** A successor is to be opened. `owed`: its predecessor is still there. */
  | { readonly kind: 'wanted'; readonly owed: boolean }
  | { readonly kind: 'opening'; readonly since: number; readonly owed: boolean }
  /** The successor is there: the next connection that is of age may go. */
  | { readonly kind: 'arrived'; readonly since: number };

export const NO_SUCCESSION: Succession = { kind: 'resting', since: Number.NEGATIVE_INFINITY };

/** Between two successors. At most two are opened in any 100 ms because of age, with some room for late timers. */
const SPACING_MS = 60;

/** One that rests no longer than this between its borrowers is in steady use; a share of the age, so that a short one is kept as well. */
const STEADY_MS = 1_000;
const STEADY_SHARE = 0.25;

export function steadyUseMs({ maxAgeMs }: Policy): number {
  return Math.min(STEADY_MS, STEADY_SHARE * maxAgeMs);
}

/** What matters about a connection that has come of age, and the pool around it. */
export interface Predecessor {
  /** It is in steady use. */
  readonly isInUse: boolean;
  /** Without it the pool would fall below its minimum. */
  readonly isOfMinimum: boolean;
  /** Another connection may be opened beside it. */
  readonly hasRoom: boolean;
}

/** Whether a connection that has come of age goes now, and what follows from that. */
export function succeed(
  succession: Succession,
  predecessor: Predecessor,
  now: number,
): { readonly goes: boolean; readonly next: Succession } {
  const stays = { goes: false, next: succession };
  if (succession.kind === 'arrived') return { goes: true, next: { kind: 'resting', since: succession.since } };
  // One that nobody needs goes without a successor.
  if (!predecessor.isInUse && !predecessor.isOfMinimum) return { goes: true, next: succession };
  switch (succession.kind) {
    case 'opening':
      return stays;
    case 'resting':
      if (now < nextSuccession(succession)) return stays;
      return { goes: !predecessor.hasRoom, next: { kind: 'wanted', owed: predecessor.hasRoom } };
    case 'wanted':
      // Others have taken the room: it breaks, then makes.
      if (!succession.owed || predecessor.hasRoom) return stays;
      return { goes: true, next: { kind: 'wanted', owed: false } };
  }
}

/** When the next connection may be succeeded, as far as time decides that. */
export function nextSuccession(succession: Succession): number {
  return succession.kind === 'resting' ? succession.since + SPACING_MS : Number.POSITIVE_INFINITY;
}

/** A connect began. */
export function connectBegan(succession: Succession, now: number): Succession {
  return succession.kind === 'wanted' ? { kind: 'opening', since: now, owed: succession.owed } : succession;
}

/** A connect has ended. One that failed is not tried again for the sake of age alone. */
export function connectEnded(succession: Succession, hasOpened: boolean): Succession {
  if (succession.kind !== 'opening') return succession;
  const { since, owed } = succession;
  return hasOpened && owed ? { kind: 'arrived', since } : { kind: 'resting', since };
}
