import { type Pool, TenureUsageError } from '@tenure/core';
import type { Knex } from 'knex';
import type { Connection } from './dialect.js';

/**
 * The pools by the logger of their Knex. A client shares its logger with all that Knex derives from it, such as the clients of
 * transactions, which have no pool.
 */
const pools = new WeakMap<object, Pool<Connection>>();

export function remember(pool: Pool<Connection>, logger: object): void {
  pools.set(logger, pool);
}

/**
 * The pool behind a Knex instance, or behind one of its transactions.
 *
 * @throws TenureUsageError when its config did not come from `tenure`, or when it has no pool: destroyed, or made without a connection
 */
export function poolOf({ client }: Knex): Pool<Connection> {
  const pool = client.transacting ? pools.get(client.logger) : client.pool?.engine;
  if (pool !== undefined) return pool;
  const why = client.pool ? 'its config did not come from tenure()' : 'it was destroyed, or made without a connection';
  throw new TenureUsageError(`This Knex has no pool of Tenure's: ${why}.`);
}
