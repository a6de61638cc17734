import type { PrismaPg } from '@prisma/adapter-pg';
import type { TenurePoolError, TenureTimeoutError } from '@tenure/core';

export type Adapter = Awaited<ReturnType<PrismaPg['connect']>>;
type Queryable = Pick<Adapter, 'queryRaw' | 'executeRaw'>;

/** The members by which Prisma recognises an error of its adapters. It does not check the class, of which there may be several copies. */
interface DriverError extends Error {
  readonly cause: {
    readonly kind: string;
    readonly originalCode?: string | undefined;
    readonly originalMessage?: string;
    readonly severity?: string;
    readonly message?: string;
  };
}

/** SQLSTATEs, and codes of Node, of errors that end a connection. */
const LOST_CODES = [
  // Class 08 but 08P01, which healthy sessions have too
  '08000',
  '08001',
  '08003',
  '08006',
  '25P03', // idle in transaction for too long
  '25P04', // a transaction took too long
  '57P01', // an administrator, or a shutdown
  '57P02', // a crash
  '57P03', // not ready yet, from a pooler in front
  '57P05', // idle for too long
  'ECONNABORTED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'TENURE_CONNECTION_LOST', // a query in flight whose answer will never come
];

/** Messages of `pg` for such errors that have no code. */
const LOST_MESSAGES = [
  'Connection terminated',
  'Client has encountered a connection error and is not queryable',
  'Client was closed and is not queryable',
];

/**
 * Translates the errors of an adapter and of its transactions. Each error that ends a connection becomes Prisma's
 * `ConnectionClosed` (P1017). An error of the pool has its figures in `meta`, which Prisma passes to the caller.
 */
export function withPlainErrors(adapter: Adapter): Adapter {
  const start = adapter.startTransaction.bind(adapter);
  adapter.startTransaction = async (isolationLevel) => translating(await plainly(start(isolationLevel)));
  return translating(adapter);
}

function translating<Q extends Queryable>(queryable: Q): Q {
  const queryRaw = queryable.queryRaw.bind(queryable);
  const executeRaw = queryable.executeRaw.bind(queryable);
  queryable.queryRaw = (query) => plainly(queryRaw(query));
  queryable.executeRaw = (query) => plainly(executeRaw(query));
  return queryable;
}

function plainly<T>(outcome: Promise<T>): Promise<T> {
  return outcome.catch((error: unknown) => {
    throw plain(error);
  });
}

function plain(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  if (isPoolError(error)) return Object.assign(error, { meta: metaOf(error) });
  return isDriverError(error) ? plainDriverError(error) : plainError(error);
}

function plainDriverError(error: DriverError): Error {
  const { kind, originalCode, originalMessage, severity } = error.cause;
  const isLost = kind === 'SocketTimeout' || (LOST_CODES.includes(originalCode ?? '') && severity !== 'ERROR');
  return isLost ? connectionClosed(error, originalCode, originalMessage) : error;
}

function plainError(error: Error & { code?: unknown }): Error {
  const code = codeOf(error);
  if (code !== undefined) return LOST_CODES.includes(code) ? connectionClosed(error, code, error.message) : error;
  if (!isLostMessage(error.message)) return error;
  // The core adds the reason of the end, such as PostgreSQL's FATAL error, as the cause.
  const reason = error.cause instanceof Error ? error.cause : error;
  return connectionClosed(error, codeOf(reason), reason.message);
}

function codeOf(error: Error & { code?: unknown }): string | undefined {
  return typeof error.code === 'string' ? error.code : undefined;
}

function isLostMessage(message: string): boolean {
  return LOST_MESSAGES.some((beginning) => message.startsWith(beginning));
}

function connectionClosed(
  error: Error,
  originalCode: string | undefined,
  originalMessage = error.message,
): DriverError {
  const cause = { kind: 'ConnectionClosed', ...(originalCode !== undefined && { originalCode }), originalMessage };
  return Object.assign(new Error(originalMessage), { name: 'DriverAdapterError', cause });
}

function isDriverError(error: Error): error is DriverError {
  return error.name === 'DriverAdapterError' && typeof error.cause === 'object' && error.cause !== null;
}

/** Compared by code, since the app may have several copies of the core. */
function isPoolError(
  error: Error,
): error is TenurePoolError & Partial<Pick<TenureTimeoutError, 'waitedMs' | 'holders'>> {
  return 'figures' in error && 'code' in error && String(error.code).startsWith('TENURE_');
}

function metaOf(error: TenurePoolError & Partial<Pick<TenureTimeoutError, 'waitedMs' | 'holders'>>) {
  const { figures, waitedMs, holders } = error;
  return { ...figures, ...(waitedMs !== undefined && { waitedMs }), ...(holders !== undefined && { holders }) };
}

/** Whether this is Prisma's error for a lost connection. */
export function isConnectionLost(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'P1017';
}
