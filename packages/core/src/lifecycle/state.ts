import type { EffectiveLimits } from '../policy/limits.js';

/** Why a connection was closed. Each connection of the pool is closed for exactly one of these, which counters and events carry. */
export const CLOSE_REASONS = [
  'max-age',
  'max-uses',
  'idle',
  'overflow',
  'failed-check',
  'broken',
  'read-only',
  'invalidated',
  'discarded',
  'crowded',
  'budget',
  'closing',
] as const;

export type CloseReason = (typeof CLOSE_REASONS)[number];

/** Where a connection is in its life. `idle` means on the idle list, and nothing else. */
export type ConnectionState =
  | { readonly kind: 'opening' }
  | { readonly kind: 'idle' }
  | { readonly kind: 'checking' }
  | { readonly kind: 'used' }
  | { readonly kind: 'returning' }
  | { readonly kind: 'closing'; readonly reason: CloseReason }
  | { readonly kind: 'closed' };

export type ConnectionKind = ConnectionState['kind'];

/** The states that may follow each state. `used` follows itself when a returned connection goes to a caller in line. */
const NEXT: { readonly [From in ConnectionKind]: { readonly [To in ConnectionKind]?: true } } = {
  opening: { idle: true, checking: true, used: true, closing: true, closed: true },
  idle: { checking: true, used: true, returning: true, closing: true },
  checking: { idle: true, used: true, closing: true },
  used: { idle: true, used: true, returning: true, closing: true },
  returning: { idle: true, used: true, returning: true, closing: true },
  closing: { closed: true },
  closed: {},
};

// One frozen value for each state, so that a transition on the warm path allocates nothing.
export const OPENING: ConnectionState = Object.freeze({ kind: 'opening' });
export const IDLE: ConnectionState = Object.freeze({ kind: 'idle' });
export const CHECKING: ConnectionState = Object.freeze({ kind: 'checking' });
export const USED: ConnectionState = Object.freeze({ kind: 'used' });
export const RETURNING: ConnectionState = Object.freeze({ kind: 'returning' });
export const CLOSED: ConnectionState = Object.freeze({ kind: 'closed' });

/** A step that the state of a connection does not allow: a defect of the pool, never of its user. */
class ConnectionStateError extends Error {
  override name = 'ConnectionStateError';
}

/**
 * The only way from one state to the next.
 *
 * @throws ConnectionStateError when this state cannot follow that one
 */
export function transition(from: ConnectionState, to: ConnectionState): ConnectionState {
  // The warm path, without a look-up by name. A connection that goes from one caller to the next stays used.
  if (from === USED ? to === IDLE || to === USED : from === IDLE && to === USED) return to;
  if (NEXT[from.kind][to.kind]) return to;
  const reason = to.kind === 'closing' ? ` (${to.reason})` : '';
  throw new ConnectionStateError(`A connection that is ${from.kind} cannot become ${to.kind}${reason}.`);
}

/** The rules' input about one open connection. Moments are milliseconds of the pool's clock. */
export interface ConnectionFacts {
  /** How often it was checked out. */
  readonly uses: number;
  /** When it expires, jitter included. */
  readonly expiresAt: number;
  /** When the server last answered on it. */
  readonly answeredAt: number;
  /** The trust epoch of the pool at that moment. */
  readonly epoch: number;
  /** Whether its server takes no writes any more. */
  readonly readOnly: boolean;
  /** A random number in [0, 1) of its own, which spreads what would otherwise happen to many connections at once. */
  readonly spread: number;
  /** Since when it has been idle. */
  readonly idleSince: number;
  /** The generation of the pool that it was opened in; `invalidate()` starts a new one. */
  readonly generation: number;
}

/** The rules' input about the pool. */
export interface PoolFacts {
  /** Connections that are open or being opened, without those being closed. */
  readonly size: number;
  /** Idle connections, including those of pools that share this limit. */
  readonly idle: number;
  readonly generation: number;
  readonly limits: EffectiveLimits;
}
