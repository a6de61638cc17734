import type { PolicyOverrides } from '@tenure/core';
import { tenure } from '@tenure/knex';
import knex, { type Knex } from 'knex';
import { afterEach } from 'vitest';
import type { PostgresServer } from '../support/postgres.js';

/** Which Knex these tests run with. */
export const KNEX_VERSION: string = process.env.KNEX_UNDER_TEST ?? 'knex-3.3';

export type OpenKnex = (config?: Knex.Config, policy?: PolicyOverrides) => Knex;

/** Knex instances for the tests of a file, with and without Tenure; destroyed after each test. */
export function useKnex(postgres: PostgresServer) {
  const instances: Knex[] = [];
  afterEach(() => Promise.all(instances.splice(0).map((instance) => instance.destroy())));
  const keep = (instance: Knex) => {
    instances.push(instance);
    return instance;
  };
  const full = (config: Knex.Config): Knex.Config => ({
    client: 'pg',
    connection: postgres.url,
    log: new Log(),
    ...config,
  });
  return {
    /** A Knex with Tenure. */
    open: ((config = {}, policy = {}) => keep(knex(tenure(full(config), policy)))) as OpenKnex,
    /** A Knex without Tenure. */
    stock: (config: Knex.Config = {}): Knex => keep(knex(full(config))),
  };
}

/** Records the calls of Knex's logger. */
export class Log {
  readonly warnings: string[] = [];
  onWarn: (message: string) => unknown = () => {};
  readonly warn = (message: string): void => {
    this.warnings.push(message);
    this.onWarn(message);
  };
}

/** Knex's own client class, for the app's to extend. */
export function dialectClass(name: string): typeof knex.Client {
  return knex({ client: name }).client.constructor;
}
