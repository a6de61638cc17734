import type { AcquireOptions } from './callers.js';

/** What lends connections and takes them back. */
interface Lender<C> {
  acquire(options?: AcquireOptions): Promise<C>;
  release(connection: C, error?: unknown): void;
}

/** Runs `work` with a connection and gives it back, whatever happens. */
export async function useConnection<C, T>(
  lender: Lender<C>,
  work: (connection: C) => T | Promise<T>,
  options?: AcquireOptions,
): Promise<T> {
  const connection = await lender.acquire(options);
  let result: T;
  try {
    result = await work(connection);
  } catch (error) {
    lender.release(connection, error);
    throw error;
  }
  lender.release(connection);
  return result;
}
