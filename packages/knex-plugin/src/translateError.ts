import { TenureConnectError, TenureTimeoutError, TenureUnreachableError } from '@tenure/core';
import knex from 'knex';
import type { Origins } from './origins.js';

/** What code around Knex expects: a `KnexTimeoutError` when no connection came, and PostgreSQL's own error when it refuses us. */
export function toKnexError(error: unknown, origins?: Origins): unknown {
  if (error instanceof TenureConnectError) return error.cause;
  if (error instanceof TenureUnreachableError) return timeoutError(error.message, error);
  if (!(error instanceof TenureTimeoutError)) return error;
  return timeoutError(origins?.explain(error.message, error.holders) ?? error.message, error);
}

/** Begins as Knex's own does, for whoever looks for it in a log. */
function timeoutError(message: string, cause: Error): Error {
  return Object.assign(new knex.KnexTimeoutError(`Knex: Timeout acquiring a connection. ${message}`), { cause });
}
