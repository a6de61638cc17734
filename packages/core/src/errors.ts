/** The figures of a pool at one moment; every pool error carries them. */
export interface PoolFigures {
  /** Connections that a caller holds. */
  readonly used: number;
  /** Connections that are ready to be lent. */
  readonly idle: number;
  /** Connections being opened. */
  readonly opening: number;
  /** Connections being checked, reset after their return, or closed. */
  readonly busy: number;
  /** Callers in line. */
  readonly waiting: number;
  /** Most connections that this pool may have open now. */
  readonly max: number;
}

/** Whether a session is in a transaction, and whether a query is in flight on it. */
export type SessionStatus = 'idle' | 'active' | 'transaction' | 'failed-transaction' | 'unknown';

/** One connection that is checked out, for errors and warnings. */
export interface Holder {
  /** Backend process ID; absent if the driver has none. */
  readonly processId?: number;
  /** How long it has been held so far, in milliseconds. */
  readonly heldMs: number;
  readonly status: SessionStatus;
  /** The stack of the call that took it; captured only when `leakAfterMs` is set. */
  readonly stack?: string;
  /** The text of its last statement, without parameter values; recorded only when `leakAfterMs` is set. */
  readonly lastStatement?: string;
}

/** What went wrong, as a string that no release changes. */
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

/** One problem of a policy. */
export interface PolicyProblem {
  /** The variable or key, as the user wrote it: `CONN_MAX_AGE`, `policy.maxAgeMs`, `pool.max`. */
  readonly name: string;
  /** The value as given. */
  readonly value: unknown;
  /** What is allowed instead. */
  readonly allowed: string;
}

const LONGEST_SHOWN = 80;

/** A policy that cannot be followed. It lists every problem at once. */
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

/** A value in a form that a message can show, never the content of an object, which may be a secret. */
function show(value: unknown): string {
  if (typeof value === 'object' && value !== null) return '(object)';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text;
}

/** The base of the errors that a caller gets in the place of a connection. */
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

/** No connection came free in time: the pool is full. `acquire` throws it after `acquireTimeoutMs`. */
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

/** The database cannot be reached, or has no free slot. The `cause` is the last connect error. */
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

/** The server refuses this client (password, database, role, TLS), and trying again will not help. The `cause` is its answer. */
export class TenureConnectError extends TenurePoolError {
  override name = 'TenureConnectError';

  constructor(message: string, figures: PoolFigures, options?: ErrorOptions) {
    super('TENURE_CONNECT', message, figures, options);
  }
}

/** As many callers wait as `maxWaiting` allows. */
export class TenureTooManyWaitingError extends TenurePoolError {
  override name = 'TenureTooManyWaitingError';

  constructor(message: string, figures: PoolFigures) {
    super('TENURE_TOO_MANY_WAITING', message, figures);
  }
}

/** The pool is closed, or was closing at the time of the call. */
export class TenureClosedError extends TenurePoolError {
  override name = 'TenureClosedError';

  constructor(message: string, figures: PoolFigures) {
    super('TENURE_CLOSED', message, figures);
  }
}

/**
 * A query has been in flight for longer than `inFlightCheckMs`, and the server is not working on it: its session is gone or idle,
 * and the answer will never come. The connection is closed. The query may or may not have run.
 */
export class TenureConnectionLostError extends TenureError {
  override name = 'TenureConnectionLostError';

  constructor(
    /** The state of the backend, such as `is gone`. */
    readonly reason: string,
    /** How long the connection had been held, in milliseconds. */
    readonly heldMs: number,
    /** The backend's process ID; absent if the driver has none. */
    readonly processId?: number,
  ) {
    const backend = processId === undefined ? 'its backend' : `its backend ${processId}`;
    super(
      'TENURE_CONNECTION_LOST',
      `Connection terminated: ${backend} ${reason}, so no answer to the query in flight will come ` +
        `(the connection was held for ${Math.round(heldMs)} ms). The query may have run: check before you repeat a write.`,
    );
  }
}

/** A mistake in the calls, such as releasing a connection twice. */
export class TenureUsageError extends TenureError {
  override name = 'TenureUsageError';

  constructor(message: string) {
    super('TENURE_USAGE', message);
  }
}
