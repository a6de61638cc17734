import {
  type PoolFigures,
  TenureClosedError,
  type TenureErrorCode,
  type TenureTimeoutError,
  TenureUsageError,
} from '../../errors.js';
import type { PoolWarning } from '../../pool/messages.js';

/** Messages of pg-pool, which existing code searches for. */
const TIMED_OUT = 'timeout exceeded when trying to connect';
const AFTER_END = 'Cannot use a pool after calling end on the pool';
const ENDED_TWICE = 'Called end on pool more than once';
const RELEASED_TWICE = 'Release called on client which has already been released to the pool.';
const FUNCTION_AS_QUERY = 'Passing a function as the first parameter to pool.query is not supported';

export function usedAfterEnd({ used, idle, opening, busy, waiting, max }: PoolFigures): TenureClosedError {
  return new TenureClosedError(AFTER_END, { used, idle, opening, busy, waiting, max });
}

export const endedTwice = () => new TenureUsageError(ENDED_TWICE);
export const releasedTwice = () => new TenureUsageError(RELEASED_TWICE);
export const functionAsQuery = () => new TenureUsageError(FUNCTION_AS_QUERY);

/** Emitted once for each pool. */
export const ROLLED_BACK: PoolWarning = {
  code: 'TENURE_ROLLED_BACK',
  message:
    'pool.query() began a transaction and left it open. Each pool.query() may run on another connection, so the transaction was ' +
    'rolled back, and what follows runs outside of it. Take a client with pool.connect() for BEGIN, … and COMMIT or ROLLBACK.',
};

/**
 * The error of an acquire in the form that code written for pg-pool expects. Other errors are returned unchanged. Errors are
 * recognised by their codes, since they may come from another copy of this package.
 */
export function toPgPoolError(error: unknown, acquireTimeoutMs: number): unknown {
  if (!(error instanceof Error)) return error;
  switch ((error as { code?: TenureErrorCode }).code) {
    case 'TENURE_CONNECT':
      // The cause is PostgreSQL's own error (wrong password, no such database), or that of the app's hook.
      return error.cause;
    case 'TENURE_CLOSED':
      return usedAfterEnd((error as TenureClosedError).figures);
    case 'TENURE_ACQUIRE_TIMEOUT':
    case 'TENURE_UNREACHABLE':
      // A caller that was refused at once has not timed out.
      if ((error as TenureTimeoutError).waitedMs >= acquireTimeoutMs) error.message = `${TIMED_OUT}. ${error.message}`;
      return error;
    default:
      return error;
  }
}

/**
 * Replaces a stack that ends at a socket or a timer by one with the awaiting caller, so that it shows the line of the app, as in
 * pg-pool. Call it in a `catch` of an async function, where the stack of the awaiting functions is available.
 */
export function withCallerStack(error: unknown): unknown {
  if (error instanceof Error && Object.isExtensible(error)) Error.captureStackTrace(error);
  return error;
}
