import type { Connector, Policy } from '@tenure/core';
import { pgSession } from '@tenure/core/pg';
import knex, { type Knex } from 'knex';
import type { Connection, Dialect } from './dialect.js';
import { openForPool } from './opening.js';
import { afterCreateOf, asksPassword, guardSetUp, isObjection, streamOf } from './setUp.js';

/**
 * Opens and closes connections the way this Knex client does, and looks after them the way Tenure does.
 *
 * @param closeErrors gets the error of a connection that could not be closed properly
 */
export function knexConnector(
  client: Dialect,
  pool: Knex.PoolConfig,
  policy: Policy,
  closeErrors: WeakMap<Connection, unknown>,
): Connector<Connection> {
  const { connectTimeoutMs } = policy;
  const afterCreate = afterCreateOf(pool);
  const {
    observe: _,
    watch,
    keepStatements,
    ...session
  } = pgSession<Connection>({
    get stream() {
      return streamOf(client);
    },
    asksPassword: () => asksPassword(client),
    setUp: async (connection) => {
      await client.setSchemaSearchPath(connection);
      await afterCreate?.(connection);
    },
  });
  const settings = client.getPoolSettings({
    ...pool,
    // The policy has taken these over.
    maxConnectionLifetimeMillis: undefined,
    maxConnectionLifetimeJitterMillis: undefined,
    afterCreate:
      afterCreate &&
      ((connection: Connection, done: (error?: unknown) => void) => {
        guardSetUp(connection, connectTimeoutMs, afterCreate(connection)).then(() => done(), done);
      }),
  });
  const close = async (connection: Connection): Promise<void> => {
    try {
      await settings.destroy(connection);
    } catch (error) {
      closeErrors.set(connection, error);
      throw error;
    }
  };
  const validate = validateOf(client, pool);

  return {
    ...session,
    ...(validate && { validate }),
    close,
    classifyConnectError: (error) => (isObjection(error) ? 'permanent' : session.classifyConnectError(error)),
    async connect(signal, onLost, onReadOnly) {
      const connection: Connection = await openForPool(client, signal, () => settings.create());
      watch(connection, onLost, onReadOnly);
      try {
        await keepStatements(connection, signal);
      } catch (error) {
        session.abort(connection);
        throw error;
      }
      // Like any socket, from here on: who has it decides.
      session.ref(connection);
      return connection;
    },
    abort(connection) {
      // A client class of the app's may have more to clean up than the socket.
      close(connection).catch(() => {});
      session.abort(connection);
    },
  };
}

/** The app's own check, if it has one: `pool.validate`, or a method of its client class. As in Knex, one that throws has said no. */
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
