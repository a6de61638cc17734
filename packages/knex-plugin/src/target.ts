import { type TargetSettings, targetOf } from '@tenure/core/adapter';
import type { Knex } from 'knex';
import type { Dialect } from './dialect.js';

/** Methods that make a client's connections. If the app has replaced one on the instance, it may connect to another server. */
const METHODS = ['acquireRawConnection', '_acquireOnlyConnection', '_driver'] as const;

/** The present target of a Knex client; `undefined` if a function, a replaced method or a class of the app decides it. */
export function targetOfClient(client: Dialect, config: Knex.Config): TargetSettings | undefined {
  const { connectionSettings, driver } = client;
  const isResolved = typeof config.connection !== 'function' && typeof config.client !== 'function';
  if (!isResolved || METHODS.some((name) => Object.hasOwn(client, name))) return undefined;
  const target = targetOf(driver.Client, connectionSettings, driver.Client);
  return target && { kind: 'Knex', ...target };
}
