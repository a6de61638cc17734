/** Why a connection was retired. Every closing has one; counters and events carry it. */
export type RetireReason =
  | 'max-age'
  | 'max-uses'
  | 'idle'
  | 'overflow'
  | 'failed-check'
  | 'broken'
  | 'read-only'
  | 'invalidated'
  | 'crowded'
  | 'budget'
  | 'closing';

/** Every reason, in the order in which they are reported. */
export const RETIRE_REASONS = [
  'max-age',
  'max-uses',
  'idle',
  'overflow',
  'failed-check',
  'broken',
  'read-only',
  'invalidated',
  'crowded',
  'budget',
  'closing',
] as const satisfies readonly RetireReason[];

/** Where a connection is in its life. */
export type ConnectionState =
  | { readonly kind: 'opening' }
  | { readonly kind: 'idle' }
  | { readonly kind: 'checking' }
  | { readonly kind: 'used' }
  | { readonly kind: 'returning' }
  | { readonly kind: 'closing'; readonly reason: RetireReason }
  | { readonly kind: 'closed' };

export type ConnectionKind = ConnectionState['kind'];

/** What can happen to a connection. */
export type ConnectionEvent =
  | 'opened'
  | 'taken'
  | 'returned'
  | 'tidying'
  | 'checking'
  | 'ready'
  | 'gone'
  | { readonly retire: RetireReason };

// One frozen value a state: a transition on the warm path allocates nothing.
export const OPENING: ConnectionState = Object.freeze({ kind: 'opening' });
const IDLE: ConnectionState = Object.freeze({ kind: 'idle' });
const CHECKING: ConnectionState = Object.freeze({ kind: 'checking' });
const USED: ConnectionState = Object.freeze({ kind: 'used' });
const RETURNING: ConnectionState = Object.freeze({ kind: 'returning' });
const CLOSED: ConnectionState = Object.freeze({ kind: 'closed' });

/**
 * The only way from one state to the next.
 *
 * @throws Error when the event cannot happen in this state: a defect of the engine, never of its user
 */
export function transition(state: ConnectionState, event: ConnectionEvent): ConnectionState {
  switch (event) {
    case 'taken':
      return from(state, 'idle', event, USED);
    case 'returned':
      return from(state, 'used', event, IDLE);
    case 'tidying':
      return from(state, state.kind === 'idle' ? 'idle' : 'used', event, RETURNING);
    case 'checking':
      return from(state, 'idle', event, CHECKING);
    case 'ready':
      return from(state, state.kind === 'checking' ? 'checking' : 'returning', event, IDLE);
    case 'opened':
      return from(state, 'opening', event, IDLE);
    case 'gone':
      return from(state, state.kind === 'opening' ? 'opening' : 'closing', event, CLOSED);
    default:
      return retirement(state, event.retire);
  }
}

function from(state: ConnectionState, needed: ConnectionKind, event: string, next: ConnectionState): ConnectionState {
  if (state.kind !== needed) throw new Error(`A connection that is ${state.kind} cannot be "${event}".`);
  return next;
}

function retirement(state: ConnectionState, reason: RetireReason): ConnectionState {
  switch (state.kind) {
    case 'idle':
    case 'checking':
    case 'used':
    case 'returning':
      return { kind: 'closing', reason };
    default:
      throw new Error(`A connection that is ${state.kind} cannot be retired (${reason}).`);
  }
}

/** What the rules may know of one open connection. Moments are milliseconds of the pool's clock. */
export interface ConnectionFacts {
  /** How often it was checked out. */
  readonly uses: number;
  /** When its jittered life is over. */
  readonly expiresAt: number;
  /** When the server was last heard from on it. */
  readonly heardAt: number;
  /** In which epoch of the pool that was. */
  readonly epoch: number;
  /** Its server takes no writes any more. */
  readonly readOnly: boolean;
  /** In [0, 1), its own: spreads what would otherwise happen to many at once. */
  readonly spread: number;
  /** Since when it waits for a borrower. */
  readonly idleSince: number;
  /** Which generation of the pool it was opened in; `invalidate()` starts a new one. */
  readonly generation: number;
}

/** What the rules may know of the pool around it. */
export interface PoolFacts {
  /** Connections that are open or being opened, without those being closed. */
  readonly size: number;
  /** Connections that wait to be reused, those of pools that keep to the same limit included. */
  readonly idle: number;
  readonly generation: number;
}
