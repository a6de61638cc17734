import type { TenureErrorCode, TenureTimeoutError } from '@tenure/core';
import { STUCK_QUESTION } from '@tenure/core/adapter';
import knex from 'knex';
import type { Origins } from './origins.js';

/** The error as code around Knex expects it: a `KnexTimeoutError` when no connection was acquired, and PostgreSQL's own when it refused one. */
export function toKnexError(error: unknown, origins?: Origins): unknown {
  if (!(error instanceof Error)) return error;
  // By its code: the pool may belong to another copy of the core.
  switch ((error as { code?: TenureErrorCode }).code) {
    case 'TENURE_CONNECT':
      return error.cause;
    case 'TENURE_UNREACHABLE':
      return timeoutError(error.message, error);
    case 'TENURE_ACQUIRE_TIMEOUT':
      return timeoutError(
        withKnexHint(origins?.explain(error.message, (error as TenureTimeoutError).holders) ?? error.message),
        error,
      );
    default:
      return error;
  }
}

/** In Knex a query leaves its transaction by a call that is forgotten. */
export function withKnexHint(message: string): string {
  return message.replace(STUCK_QUESTION, `${STUCK_QUESTION.slice(0, -1)}: is a .transacting(trx) missing?`);
}

/** The message begins as Knex's own, which logs are searched for. */
function timeoutError(message: string, cause: Error): Error {
  return Object.assign(new knex.KnexTimeoutError(`Knex: Timeout acquiring a connection. ${message}`), { cause });
}
