import type { Connector, Policy } from '@tenure/core';
import { type ClientConnector, clientConnector, isOpen, type TargetSettings } from '@tenure/core/adapter';
import knex, { type Knex } from 'knex';
import type { Connection, Dialect } from './dialect.js';
import { openForPool } from './opening.js';
import { afterCreateOf, asksPassword, guardSetUp, type SetUp, streamOf } from './setUp.js';

/** The parts of a Knex client that its connector uses. */
interface Made {
  readonly pool: Knex.PoolConfig;
  readonly policy: Policy;
  /** The errors of connections that could not be closed properly. */
  readonly closeErrors: WeakMap<Connection, unknown>;
  /** The present target of the client. */
  readonly target: () => TargetSettings | undefined;
}

/** Opens and closes connections as this Knex client does. */
export function knexConnector(
  client: Dialect,
  { pool, policy: { connectTimeoutMs }, closeErrors, target }: Made,
): ClientConnector<Connection> {
  /** What the app's set-up threw on a connection that worked. A retry would fail the same way. */
  const refusals = new WeakSet<object>();
  const afterCreate = afterCreateOf(pool, (connection, error) => {
    if (error instanceof Error && isOpen(connection)) refusals.add(error);
  });
  const settings = settingsOf(client, pool, connectTimeoutMs, afterCreate);
  const validate = validateOf(client, pool);
  return clientConnector<Connection>({
    get stream() {
      return streamOf(client);
    },
    target,
    asksPassword: () => asksPassword(client),
    isRefusal: (error) => error instanceof Error && refusals.has(error),
    ...(validate && { validate }),
    open: (observe) => openForPool(client, observe, () => settings.create()),
    setUp: async (connection) => {
      await client.setSchemaSearchPath(connection);
      await afterCreate?.(connection);
    },
    close: async (connection) => {
      try {
        await settings.destroy(connection);
      } catch (error) {
        closeErrors.set(connection, error);
        throw error;
      }
    },
  });
}

/** How Knex opens and closes connections with this config. */
function settingsOf(client: Dialect, pool: Knex.PoolConfig, limitMs: number, afterCreate: SetUp | undefined) {
  return client.getPoolSettings({
    ...pool,
    // The policy applies these limits.
    maxConnectionLifetimeMillis: undefined,
    maxConnectionLifetimeJitterMillis: undefined,
    afterCreate:
      afterCreate &&
      ((connection: Connection, done: (error?: unknown) => void) => {
        guardSetUp(connection, limitMs, afterCreate(connection)).then(() => done(), done);
      }),
  });
}

/**
 * The app's own check, if it has one: `pool.validate`, or a method of its client class. A check that throws counts as `false`, as
 * it does in Knex.
 */
function validateOf(client: Dialect, { validate }: Knex.PoolConfig): Connector<Connection>['validate'] {
  if (!validate && client.validateConnection === knex.Client.prototype.validateConnection) return undefined;
  return async (connection) => {
    try {
      return (
        Boolean(validate === undefined || (await validate(connection))) && (await client.validateConnection(connection))
      );
    } catch (error) {
      client.logger.warn?.(`Pool validate threw an error: ${error instanceof Error ? error.message : error}`);
      return false;
    }
  };
}
