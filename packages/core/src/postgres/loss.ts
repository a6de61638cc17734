/** The server ends a session for what that session did, or left undone. */
const OWN_FAULT = [
  '57P05', // idle_session_timeout
  '25P03', // idle_in_transaction_session_timeout
  '25P04', // transaction_timeout
];

/** PgBouncer gives 08P01 to all of its own errors; its messages are never translated. Checked with 1.18. */
const PGBOUNCER = '08P01';
const PGBOUNCER_OWN_FAULT = ['client_idle_timeout', 'idle transaction timeout', 'query timeout'];

/** The app closed a connection that was in its hands. */
export class EndedByAppError extends Error {
  override name = 'EndedByAppError';

  constructor() {
    super('The app ended the connection: client.end() was called on it');
  }
}

/**
 * Tells whether the end of a connection is news about its server. A backend that someone terminated says the same (57P01) as one whose server
 * shuts down, so it counts as news: asking the others costs little.
 */
export function classifyLoss(cause: Error | undefined): 'server' | 'session' {
  if (cause instanceof EndedByAppError) return 'session';
  if (cause === undefined || !('code' in cause)) return 'server';
  const { code, message } = cause;
  const isOwnFault = code === PGBOUNCER ? PGBOUNCER_OWN_FAULT.includes(message) : OWN_FAULT.includes(String(code));
  return isOwnFault ? 'session' : 'server';
}
