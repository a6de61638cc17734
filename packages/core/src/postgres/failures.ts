import type { SessionStatus } from '../errors.js';
import type { ConnectFailure } from '../pool/connector.js';

/** 53300: no slot left on the server, for the database or for the role. */
const FULL = '53300';

/** How the codes begin of failures that the next attempt would meet again. */
const LASTING_CODES = [
  // SQLSTATE
  '28', // no such role, wrong password, no entry in pg_hba.conf
  '3D', // no such database
  '42', // may not connect to this database; a setting or object that the set-up names does not exist
  '22', // a startup option with a value that is not allowed
  '0A', // a feature that this server or pooler does not have
  // Certificates and TLS, from OpenSSL and Node
  'CERT_',
  'CRL_',
  'DEPTH_ZERO_',
  'EPROTO',
  'ERR_OSSL_',
  'ERR_SSL_',
  'ERR_TLS_',
  'HOSTNAME_MISMATCH',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'PATH_LENGTH_EXCEEDED',
  'SELF_SIGNED_',
  'UNABLE_TO_',
  // A configuration that Node refuses before anything is sent
  'ERR_INVALID_',
  'ERR_MISSING_ARGS',
  'ERR_SOCKET_BAD_PORT',
];

/** What `pg` says without a code. */
const LASTING_MESSAGES = [
  'The server does not support SSL connections',
  'SASL: ', // no password given, or a server that cannot prove itself
  'Invalid sslnegotiation value',
  'sslnegotiation=direct requires SSL',
];

/** PgBouncer gave 08P01 to everything before it had SQLSTATEs of its own; its messages are never translated. Checked with 1.18, but for the second one: that is of 1.24. */
const PGBOUNCER = '08P01';
const PGBOUNCER_FULL = ['no more connections allowed', 'client connections exceeded'];
const PGBOUNCER_LASTING = ['no such database', 'no such user', 'password authentication failed', 'unsupported startup'];

/** A login that was refused, by the beginning of its code or message. */
const LOGIN = ['28', 'SASL: ', 'password authentication failed'];

/**
 * Tells what a failed connect says about the next attempt. Whatever is not known to last is `transient`: a name that does not resolve, a
 * server that refuses, resets or stays silent, one that is starting or stopping.
 */
export function classifyConnectError(error: unknown): ConnectFailure {
  if (!(error instanceof Error)) return 'transient';
  // One error for each address of a host name.
  if (error instanceof AggregateError && error.errors.length > 0) return classifyAll(error.errors);
  const { message, cause } = error;
  const code = 'code' in error ? error.code : undefined;
  if (typeof code === 'string') return byCode(code, message);
  if (beginsWithOne(message, LASTING_MESSAGES)) return 'permanent';
  // A password function that could not reach its token service gives `TypeError: fetch failed`, with the socket's error as cause.
  if (cause !== undefined) return classifyConnectError(cause);
  return error instanceof TypeError ? 'permanent' : 'transient';
}

/** The same, for connects that get their secret anew from the app each time: after a login that was refused, the next secret may be right. */
export function classifyLogin(error: unknown): ConnectFailure {
  const failure = classifyConnectError(error);
  if (failure !== 'permanent') return failure;
  const { code, message } = error as { code?: unknown; message?: unknown };
  const isLogin = beginsWithOne(String(code), LOGIN) || beginsWithOne(String(message), LOGIN);
  return isLogin ? 'login' : failure;
}

function classifyAll(errors: readonly unknown[]): ConnectFailure {
  const [first, ...others] = new Set(errors.map(classifyConnectError));
  return first === undefined || others.length > 0 ? 'transient' : first;
}

function byCode(code: string, message: string): ConnectFailure {
  if (code === FULL) return 'full';
  if (code === PGBOUNCER && beginsWithOne(message, PGBOUNCER_FULL)) return 'full';
  if (code === PGBOUNCER && beginsWithOne(message, PGBOUNCER_LASTING)) return 'permanent';
  return beginsWithOne(code, LASTING_CODES) ? 'permanent' : 'transient';
}

function beginsWithOne(text: string, beginnings: readonly string[]): boolean {
  return beginnings.some((beginning) => text.startsWith(beginning));
}

/** The server ends a session for what that session did, or left undone. */
const SESSION_FAULT = [
  '57P05', // idle_session_timeout
  '25P03', // idle_in_transaction_session_timeout
  '25P04', // transaction_timeout
];

const PGBOUNCER_SESSION_FAULT = ['client_idle_timeout', 'idle transaction timeout', 'query timeout'];

/** A connection is not open any more, and neither the server nor the socket gave a reason. */
export class ConnectionEndedError extends Error {
  override name = 'ConnectionEndedError';

  constructor() {
    super('The connection has ended');
  }
}

/** A session that should wait for a query does not. */
export class SessionStatusError extends Error {
  override name = 'SessionStatusError';

  constructor(problem: string, status: SessionStatus) {
    super(`${problem}: its status is "${status}"`);
  }
}

/** The app closed a connection that it had checked out. */
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
  const isOwnFault =
    code === PGBOUNCER ? PGBOUNCER_SESSION_FAULT.includes(message) : SESSION_FAULT.includes(String(code));
  return isOwnFault ? 'session' : 'server';
}

/** What `pg` makes of an error message of the server. */
export interface ServerError {
  readonly code?: string;
  /** The function of the server that raised it. Never translated, unlike the message. */
  readonly routine?: string;
}

/**
 * What an error says about the prepared statement it met before it ran.
 *
 * - `missing`: the session does not have it.
 * - `outdated`: what it refers to has changed.
 * - `doubtful`: its parameters may have had other types when it was prepared; or a value is simply wrong.
 */
export type StatementFailure = 'missing' | 'outdated' | 'doubtful';

const NO_SUCH_STATEMENT = '26000';
const NOT_SUPPORTED = '0A000';
const NO_PERMISSION = '42501';

/** Judges an error that came when a statement was to be used that had been prepared before. */
export function classifyStatementError({ code = '', routine }: ServerError): StatementFailure | undefined {
  if (code === NO_SUCH_STATEMENT) return 'missing';
  // "cached plan must not change result type"
  if (code === NOT_SUPPORTED) return routine === 'RevalidateCachedQuery' ? 'outdated' : undefined;
  // The role may have changed, which asks for no other plan.
  if (code === NO_PERMISSION) return undefined;
  // No such table, column, function, operator: when it was prepared there was one.
  if (code.startsWith('42')) return 'outdated';
  // A value that does not fit, maybe since the column had another type; a type that was dropped and made again.
  return code.startsWith('22') || code.startsWith('XX') ? 'doubtful' : undefined;
}
