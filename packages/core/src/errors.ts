/** What a pool looks like at one moment; every pool error carries it. */
export interface PoolFigures {
  /** Connections that a caller holds. */
  readonly used: number;
  /** Connections that wait to be reused. */
  readonly idle: number;
  /** Connections being opened. */
  readonly opening: number;
  /** Connections being checked, tidied up after their return, or closed. */
  readonly busy: number;
  /** Callers in line. */
  readonly waiting: number;
  /** Most connections this pool may have open. */
  readonly max: number;
}

/** Whether a session sits in a transaction, and whether a query is in flight on it. */
export type SessionStatus = 'idle' | 'active' | 'transaction' | 'failed-transaction' | 'unknown';

/** One connection that is checked out, as errors and warnings name it. */
export interface Holder {
  /** Backend process ID, where the driver knows it. */
  readonly processId?: number;
  /** How long it has been held, in milliseconds. */
  readonly heldMs: number;
  readonly status: SessionStatus;
  /** Where it was taken; captured only when `leakAfterMs` is set. */
  readonly stack?: string;
  /** The text of what it ran last, without parameter values; noted only when `leakAfterMs` is set. */
  readonly lastStatement?: string;
}

/** What went wrong, as a string that never changes between releases. */
export type TenureErrorCode =
  | 'TENURE_POLICY'
  | 'TENURE_ACQUIRE_TIMEOUT'
  | 'TENURE_UNREACHABLE'
  | 'TENURE_CONNECT'
  | 'TENURE_TOO_MANY_WAITING'
  | 'TENURE_CLOSED'
  | 'TENURE_CONNECTION_LOST'
  | 'TENURE_USAGE';

/** The base of every error that Tenure throws itself. */
export class TenureError extends Error {
  override name = 'TenureError';

  constructor(
    readonly code: TenureErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** One thing that is wrong with a policy. */
export interface PolicyProblem {
  /** The variable or key, as the user wrote it: `CONN_MAX_AGE`, `policy.maxAgeMs`, `pool.max`. */
  readonly name: string;
  /** The value as given. */
  readonly value: unknown;
  /** What is allowed instead. */
  readonly allowed: string;
}

const LONGEST_SHOWN = 80;

/** A policy that cannot be followed. Lists every problem at once. */
export class TenurePolicyError extends TenureError {
  override name = 'TenurePolicyError';

  constructor(readonly problems: readonly PolicyProblem[]) {
    super('TENURE_POLICY', describeProblems(problems));
  }
}

function describeProblems(problems: readonly PolicyProblem[]): string {
  const lines = problems.map(({ name, value, allowed }) => `  ${name} = ${show(value)}: ${allowed}`);
  const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`;
  return `The connection policy has ${count}:\n${lines.join('\n')}`;
}

/** A value as far as a message can show it. Never what an object holds: that may be a secret. */
function show(value: unknown): string {
  if (typeof value === 'object' && value !== null) return '(object)';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text;
}

/** The base of the errors that a pool gives to a caller who wanted a connection. */
export class TenurePoolError extends TenureError {
  override name = 'TenurePoolError';

  constructor(
    code: TenureErrorCode,
    message: string,
    /** The pool at the moment of the error. */
    readonly figures: PoolFigures,
    options?: ErrorOptions,
  ) {
    super(code, message, options);
  }
}

/** No connection came free in time: the pool is full, and its holders are named. */
export class TenureTimeoutError extends TenurePoolError {
  override name = 'TenureTimeoutError';

  constructor(
    message: string,
    figures: PoolFigures,
    /** How long the caller waited, in milliseconds. */
    readonly waitedMs: number,
    /** Who holds the connections, oldest first. */
    readonly holders: readonly Holder[],
    options?: ErrorOptions,
  ) {
    super('TENURE_ACQUIRE_TIMEOUT', message, figures, options);
  }
}

/** The database cannot be reached; the `cause` is the last connect error. */
export class TenureUnreachableError extends TenurePoolError {
  override name = 'TenureUnreachableError';

  constructor(
    message: string,
    figures: PoolFigures,
    /** How long the caller waited, in milliseconds; 0 when it was refused at once. */
    readonly waitedMs: number,
    options?: ErrorOptions,
  ) {
    super('TENURE_UNREACHABLE', message, figures, options);
  }
}

/** The server refuses this client for good (password, database, role, TLS); the `cause` is its answer. */
export class TenureConnectError extends TenurePoolError {
  override name = 'TenureConnectError';

  constructor(message: string, figures: PoolFigures, options?: ErrorOptions) {
    super('TENURE_CONNECT', message, figures, options);
  }
}

/** The line is as long as `maxWaiting` allows. */
export class TenureTooManyWaitingError extends TenurePoolError {
  override name = 'TenureTooManyWaitingError';

  constructor(message: string, figures: PoolFigures) {
    super('TENURE_TOO_MANY_WAITING', message, figures);
  }
}

/** The pool is closing or closed. */
export class TenureClosedError extends TenurePoolError {
  override name = 'TenureClosedError';

  constructor(message: string, figures: PoolFigures) {
    super('TENURE_CLOSED', message, figures);
  }
}

/**
 * A query has been in flight for long, and the server is not working on it: its session is gone or idle, and the answer will never come. The
 * connection is closed. Whether the query was carried out is not known.
 */
export class TenureConnectionLostError extends TenureError {
  override name = 'TenureConnectionLostError';

  constructor(
    /** What is the matter with the backend, such as `is gone`. */
    readonly reason: string,
    /** How long the connection had been held, in milliseconds. */
    readonly heldMs: number,
    /** The backend's process ID, where the driver knows it. */
    readonly processId?: number,
  ) {
    const backend = processId === undefined ? 'its backend' : `its backend ${processId}`;
    super(
      'TENURE_CONNECTION_LOST',
      `Connection terminated: no answer to the query in flight will come, for ${backend} ${reason} ` +
        `(the connection was held for ${Math.round(heldMs)} ms). Whether the query was carried out is not known.`,
    );
  }
}

/** The pool was used in a way that cannot be right, such as releasing a connection twice. */
export class TenureUsageError extends TenureError {
  override name = 'TenureUsageError';

  constructor(message: string) {
    super('TENURE_USAGE', message);
  }
}
