import {
  type PoolFigures,
  TenureClosedError,
  type TenureErrorCode,
  type TenureTimeoutError,
  TenureUsageError,
} from '../../errors.js';
import type { PoolWarning } from '../../pool/events.js';

/** Code in the wild looks for these words of pg-pool. */
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

/** Given once for each pool. */
export const ROLLED_BACK: PoolWarning = {
  code: 'TENURE_ROLLED_BACK',
  message:
    'pool.query() began a transaction and left it open. Each pool.query() may run on another connection, so the transaction was ' +
    'rolled back, and what follows runs outside of it. Take a client with pool.connect() for BEGIN, … and COMMIT or ROLLBACK.',
};

/**
 * The error of an acquire as code written for pg-pool expects it. What is not an acquire's comes back as it is. Errors go by their codes: a
 * pool that is shared may belong to another copy of this package.
 */
export function toPgPoolError(error: unknown, acquireTimeoutMs: number): unknown {
  if (!(error instanceof Error)) return error;
  switch ((error as { code?: TenureErrorCode }).code) {
    case 'TENURE_CONNECT':
      // What PostgreSQL said (wrong password, no such database), or the app's own hook.
      return error.cause;
    case 'TENURE_CLOSED':
      return usedAfterEnd((error as TenureClosedError).figures);
    case 'TENURE_ACQUIRE_TIMEOUT':
    case 'TENURE_UNREACHABLE':
      // One who was refused at once has not timed out.
      if ((error as TenureTimeoutError).waitedMs >= acquireTimeoutMs) error.message = `${TIMED_OUT}. ${error.message}`;
      return error;
    default:
      return error;
  }
}

/**
 * Replaces a stack that leads to a socket or a timer with one that leads to whoever awaits: pg-pool does so, and names the line of the app
 * that way. To be called where the awaiting chain is known, in a `catch` of an async function.
 */
export function withCallerStack(error: unknown): unknown {
  if (error instanceof Error && Object.isExtensible(error)) Error.captureStackTrace(error);
  return error;
}
