import type { SessionStatus } from '../errors.js';
import type { ConnectFailure } from '../pool/connector.js';

/** 53300: no slot left on the server, for the database or for the role. */
const FULL = '53300';

/** Prefixes of the codes of failures that the next attempt would meet again. */
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

/** Messages of `pg` itself for the same; these errors have no code. */
const LASTING_MESSAGES = [
  'The server does not support SSL connections',
  'SASL: ', // no password given, or a server that cannot prove itself
  'Invalid sslnegotiation value',
  'sslnegotiation=direct requires SSL',
];

/**
 * The code that PgBouncer gave to all errors before it had SQLSTATEs of its own. Its messages are never translated. Read in 1.18,
 * the second one of FULL in 1.24.
 */
const PGBOUNCER = '08P01';
const PGBOUNCER_FULL = ['no more connections allowed', 'client connections exceeded'];
const PGBOUNCER_LASTING = ['no such database', 'no such user', 'password authentication failed', 'unsupported startup'];

/** Prefixes of the code or message of a login that was refused. */
const LOGIN = ['28', 'SASL: ', 'password authentication failed'];

/**
 * Classifies a failed connect by the likely result of the next attempt. A failure that is not known to last is `transient`: a
 * name that does not resolve, a server that refuses, resets or stays silent, one that is starting or stopping.
 */
export function classifyConnectError(error: unknown): ConnectFailure {
  if (!(error instanceof Error)) return 'transient';
  // The errors of all addresses of a host name.
  if (error instanceof AggregateError && error.errors.length > 0) return classifyAll(error.errors);
  const { message, cause } = error;
  const code = 'code' in error ? error.code : undefined;
  if (typeof code === 'string') return byCode(code, message);
  if (beginsWithOne(message, LASTING_MESSAGES)) return 'permanent';
  // A password function that could not reach its token service throws `TypeError: fetch failed`, with the socket's error as cause.
  if (cause !== undefined) return classifyConnectError(cause);
  return error instanceof TypeError ? 'permanent' : 'transient';
}

/** Classifies a failed connect of an app that gives each connect a new password: after a refused login, the next password may be right. */
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

/** Codes with which the server ends a session because of that session's own time limit. */
const SESSION_FAULT = [
  '57P05', // idle_session_timeout
  '25P03', // idle_in_transaction_session_timeout
  '25P04', // transaction_timeout
];

/** `query_wait_timeout`: the pooler's pool was too small for the load. Checks of the other connections would wait in the same line. */
const PGBOUNCER_SESSION_FAULT = [
  'client_idle_timeout',
  'idle transaction timeout',
  'query timeout',
  'query_wait_timeout',
];

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
 * Classifies the end of a connection: it concerns the whole server, or this session alone. A backend that an administrator
 * terminated reports the same code (57P01) as one whose server shuts down, so it counts as the server's. That is cheap, since it
 * only makes the pool check its other connections.
 */
export function classifyLoss(cause: Error | undefined): 'server' | 'session' | 'app' {
  if (cause instanceof EndedByAppError) return 'app';
  if (cause === undefined || !('code' in cause)) return 'server';
  const { code, message } = cause;
  // Knex puts the text of the query in front of a message.
  const isOwnFault =
    code === PGBOUNCER
      ? PGBOUNCER_SESSION_FAULT.some((words) => message.endsWith(words))
      : SESSION_FAULT.includes(String(code));
  return isOwnFault ? 'session' : 'server';
}

/** An error of the server in the form of `pg`. */
export interface ServerError {
  readonly code?: string;
  /** The function of the server that raised it. Unlike the message, it is never translated. */
  readonly routine?: string;
}

/**
 * The meaning of an error for the prepared statement that it met before the statement ran.
 *
 * - `missing`: the session does not have the statement.
 * - `outdated`: a table, type or function in it has changed.
 * - `doubtful`: either its parameters had other types when it was prepared, or a value is wrong.
 */
export type StatementFailure = 'missing' | 'outdated' | 'doubtful';

const NO_SUCH_STATEMENT = '26000';
const NOT_SUPPORTED = '0A000';
const NO_PERMISSION = '42501';

/** Classifies an error at the use of a statement that was prepared before. */
export function classifyStatementError({ code = '', routine }: ServerError): StatementFailure | undefined {
  if (code === NO_SUCH_STATEMENT) return 'missing';
  // "cached plan must not change result type"
  if (code === NOT_SUPPORTED) return routine === 'RevalidateCachedQuery' ? 'outdated' : undefined;
  // The role may have lost a privilege, which a new plan would not give back.
  if (code === NO_PERMISSION) return undefined;
  // There is no such table, column, function or operator, but there was one when the statement was prepared.
  if (code.startsWith('42')) return 'outdated';
  // A value does not fit, perhaps because the column had another type then; or a type was dropped and made again.
  return code.startsWith('22') || code.startsWith('XX') ? 'doubtful' : undefined;
}
