import { promisify } from 'node:util';
import { type CancelOptions, connectionOf, systemRuntime } from '@tenure/core/adapter';
import type { Knex } from 'knex';
import type { Connection, Dialect } from './dialect.js';

/** Prepares a session for the app. */
export type SetUp = (connection: Connection) => Promise<unknown>;

/** The app's `pool.afterCreate`, which Knex calls with a callback. */
export function afterCreateOf(
  { afterCreate }: Knex.PoolConfig,
  onError: (connection: Connection, error: unknown) => void,
): SetUp | undefined {
  if (!afterCreate) return undefined;
  const run = promisify(afterCreate) as SetUp;
  return async (connection) => {
    try {
      await run(connection);
    } catch (error) {
      onError(connection, error);
      throw error;
    }
  };
}

/** Drops a connection whose set-up fails or takes too long. Knex does neither: it forgets the connection, which then stays open for good. */
export async function guardSetUp<T>(connection: Connection, limitMs: number, setUp: Promise<T>): Promise<T> {
  const giveUp = () => connectionOf(connection).abort();
  const limit = Number.isFinite(limitMs) ? systemRuntime.after(limitMs, giveUp) : undefined;
  try {
    return await setUp;
  } catch (error) {
    giveUp();
    throw error;
  } finally {
    limit?.cancel();
  }
}

/** The app's own function for sockets, if it has one. The settings are read at each connect, since they may change. */
export function streamOf({ connectionSettings }: Dialect): CancelOptions['stream'] {
  return (connectionSettings as CancelOptions | undefined)?.stream;
}

/**
 * Whether each connect calls a function of the app for the password: one for the password alone, or one for all settings, which
 * also gives their expiry.
 */
export function asksPassword({ config, connectionSettings }: Dialect): boolean {
  const { password }: { password?: unknown } = connectionSettings ?? {};
  return typeof config.connection === 'function' || typeof password === 'function';
}

/**
 * Gives `pg` the connect limit of Tenure, unless the app chose one. Tenure stops waiting at its limit, but only `pg` can close
 * the socket so early.
 */
export function limitConnect(client: Dialect, limitMs: number): void {
  const settings: { connectionTimeoutMillis?: unknown } = client.connectionSettings;
  if (typeof settings !== 'object' || settings.connectionTimeoutMillis !== undefined || !Number.isFinite(limitMs))
    return;
  // Copied by descriptors: the object may be the app's own, and a spread would lose a hidden password.
  const { connectionTimeoutMillis: _, ...own } = Object.getOwnPropertyDescriptors(settings);
  const copy = Object.create(Object.getPrototypeOf(settings), own);
  client.connectionSettings = Object.assign(copy, { connectionTimeoutMillis: limitMs });
}
