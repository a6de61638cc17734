import type { Policy } from '@tenure/core';
import { type Identity, identityOf, policySettings } from '@tenure/core/pg';
import type { Knex } from 'knex';
import type { Dialect, DialectClass } from './dialect.js';

/** Methods of a client that make, judge and close connections. One that the app has put on the instance makes a difference. */
const METHODS = [
  ...['acquireRawConnection', '_acquireOnlyConnection', 'destroyRawConnection', 'validateConnection'],
  ...['checkVersion', 'setSchemaSearchPath', 'getPoolSettings', '_driver'],
] as const;

/**
 * What two Knex clients must have in common to use one pool.
 *
 * @param Base the class that makes the connections: Knex's own, or the app's
 * @param listeners like nobody else's; `undefined` when nobody listens
 */
export function identityOfClient(
  client: Dialect,
  Base: DialectClass,
  config: Knex.Config,
  policy: Policy,
  listeners: object | undefined,
): Identity | undefined {
  try {
    const { pool: { afterCreate, validate } = {}, searchPath, connection, version } = config;
    const { target, settings } = connectionOf(client, connection, policy);
    const methods = METHODS.map((name) => [name, Object.hasOwn(client, name) ? client[name as never] : undefined]);
    return {
      target,
      settings: {
        ...{ kind: 'Knex', Base, searchPath, version, 'pool.afterCreate': afterCreate, 'pool.validate': validate },
        ...settings,
        ...Object.fromEntries(methods),
        // An app's own class may read anything from its config.
        ...(typeof config.client === 'function' && restOf(config)),
        ...policySettings(policy),
        listeners,
      },
    };
  } catch {
    // What `pg` makes of these settings it will say itself when it connects.
    return undefined;
  }
}

/** Settings that a function yields are known by that function: it is asked again and again. */
function connectionOf(
  { connectionSettings, driver }: Dialect,
  connection: Knex.Config['connection'],
  { connectTimeoutMs }: Policy,
): Identity {
  if (typeof connection === 'function') return { target: { connection }, settings: {} };
  const { target, settings } = identityOf(driver.Client, connectionSettings, driver.Client);
  const { connectionTimeoutMillis = connectTimeoutMs } = connectionSettings as { connectionTimeoutMillis?: unknown };
  return { target, settings: { ...settings, connectionTimeoutMillis } };
}

function restOf(config: Knex.Config): Record<string, unknown> {
  const names = Object.keys(config).filter((name) => !['client', 'connection', 'pool', 'log'].includes(name));
  return Object.fromEntries(names.map((name) => [`config.${name}`, config[name as keyof Knex.Config]]));
}
