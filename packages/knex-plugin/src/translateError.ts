import type { TenureErrorCode, TenureTimeoutError } from '@tenure/core';
import { STUCK_QUESTION } from '@tenure/core/adapter';
import knex from 'knex';
import type { Origins } from './origins.js';

/** The error that code around Knex expects: a `KnexTimeoutError` when no connection was acquired, and PostgreSQL's own when it refused one. */
export function toKnexError(error: unknown, origins?: Origins): unknown {
  if (!(error instanceof Error)) return error;
  // Compared by code: the pool may come from another copy of the core.
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

/** Replaces the advice about lost queries: in Knex a query leaves its transaction when `.transacting(trx)` is forgotten. */
export function withKnexHint(message: string): string {
  return message.replace(STUCK_QUESTION, `${STUCK_QUESTION.slice(0, -1)}: is a .transacting(trx) missing?`);
}

/** The message begins like Knex's own, which people search logs for. */
function timeoutError(message: string, cause: Error): Error {
  return Object.assign(new knex.KnexTimeoutError(`Knex: Timeout acquiring a connection. ${message}`), { cause });
}
