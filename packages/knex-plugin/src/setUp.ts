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

/** Drops a connection whose set-up fails or takes too long. Knex does neither: it loses the connection, which then stays open for good. */
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

/** The app's own way to make a socket, if it has one. Its settings may change from connect to connect. */
export function streamOf({ connectionSettings }: Dialect): CancelOptions['stream'] {
  return (connectionSettings as CancelOptions | undefined)?.stream;
}

/** Whether each connect asks the app for the password: by a function for it, or by one for all settings, which also gives their expiry. */
export function asksPassword({ config, connectionSettings }: Dialect): boolean {
  const { password }: { password?: unknown } = connectionSettings ?? {};
  return typeof config.connection === 'function' || typeof password === 'function';
}

/** Gives a connect the limit that Tenure has, unless the app chose one: Tenure stops waiting, but only `pg` can hang up so early. */
export function limitConnect(client: Dialect, limitMs: number): void {
  const settings: { connectionTimeoutMillis?: unknown } = client.connectionSettings;
  if (typeof settings !== 'object' || settings.connectionTimeoutMillis !== undefined || !Number.isFinite(limitMs))
    return;
  // The object may be the app's own, and its password hidden from a spread.
  const { connectionTimeoutMillis: _, ...own } = Object.getOwnPropertyDescriptors(settings);
  const copy = Object.create(Object.getPrototypeOf(settings), own);
  client.connectionSettings = Object.assign(copy, { connectionTimeoutMillis: limitMs });
}
