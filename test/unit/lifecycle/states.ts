import {
  CHECKING,
  CLOSE_REASONS,
  CLOSED,
  type ConnectionState,
  IDLE,
  OPENING,
  RETURNING,
  USED,
} from '../../../packages/core/src/lifecycle/state.js';

/** Every state that a connection can have. */
export const STATES: readonly ConnectionState[] = [
  OPENING,
  IDLE,
  CHECKING,
  USED,
  RETURNING,
  ...CLOSE_REASONS.map((reason) => ({ kind: 'closing', reason }) as const),
  CLOSED,
];
