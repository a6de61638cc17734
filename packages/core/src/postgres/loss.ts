/** The server ends a session for what that session did, or left undone. */
const OWN_FAULT = [
  '57P05', // idle_session_timeout
  '25P03', // idle_in_transaction_session_timeout
  '25P04', // transaction_timeout
];

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
  const code = cause && 'code' in cause ? cause.code : undefined;
  return typeof code === 'string' && OWN_FAULT.includes(code) ? 'session' : 'server';
}
