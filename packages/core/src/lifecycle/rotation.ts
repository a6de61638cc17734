import type { Policy } from '../policy/policy.js';

/**
 * How far a pool is with replacing expired connections: one at a time, so that connections opened together do not reconnect together (PgBouncer
 * spaces them too). While the pool has room, the successor is opened before its predecessor is closed.
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

/** The time between two successors. At most two are opened in any 100 ms because of age, with some room for late timers. */
const SPACING_MS = 60;

/** A connection that is idle no longer than this between two callers is in steady use; with a short maximum age, a share of that age. */
const STEADY_MS = 1_000;
const STEADY_SHARE = 0.25;

export function steadyUseMs({ maxAgeMs }: Policy): number {
  return Math.min(STEADY_MS, STEADY_SHARE * maxAgeMs);
}

/** What decides the turn of an expired connection. */
export interface Expired {
  /** It is in steady use. */
  readonly isInUse: boolean;
  /** Without it the pool would fall below its minimum. */
  readonly isOfMinimum: boolean;
  /** Another connection may be opened beside it. */
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
  // One that nobody needs is closed without a successor.
  if (!expired.isInUse && !expired.isOfMinimum) return { closes: true, next: state };
  switch (state.kind) {
    case 'opening':
      return stays;
    case 'resting':
      if (now < nextRotation(state)) return stays;
      return { closes: !expired.hasRoom, next: { kind: 'wanted', predecessorIsOpen: expired.hasRoom } };
    case 'wanted':
      // Others have taken the room: it is closed first, and then replaced.
      if (!state.predecessorIsOpen || expired.hasRoom) return stays;
      return { closes: true, next: { kind: 'wanted', predecessorIsOpen: false } };
  }
}

/** When the next expired connection may be replaced, as far as time decides that. */
export function nextRotation(state: RotationState): number {
  return state.kind === 'resting' ? state.since + SPACING_MS : Number.POSITIVE_INFINITY;
}

/** A connect began. */
export function afterConnectBegan(state: RotationState, now: number): RotationState {
  return state.kind === 'wanted' ? { kind: 'opening', since: now, predecessorIsOpen: state.predecessorIsOpen } : state;
}

/** A connect has ended. One that failed is not tried again for the sake of age alone. */
export function afterConnectEnded(state: RotationState, hasOpened: boolean): RotationState {
  if (state.kind !== 'opening') return state;
  const { since, predecessorIsOpen } = state;
  return hasOpened && predecessorIsOpen ? { kind: 'arrived', since } : { kind: 'resting', since };
}
