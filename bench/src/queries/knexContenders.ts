import type { PolicyOverrides } from '@tenure/core';
import { tenure } from '@tenure/knex';
import knex, { type Knex } from 'knex';
import type pg from 'pg';
import type { Name } from './names.js';
import { someCustomer, someOrder } from './tables.js';
import { CALLERS, type Contender, IDLE_MS, MAX, type Operations } from './workloads.js';

export function stockKnex(name: Name, url: string): Contender {
  return withKnex(name, knex(config(url)));
}

/** Knex with a `validate`, which careful users set today. */
export function validatingKnex(name: Name, url: string): Contender {
  const validate = async (client: pg.Client) => {
    await client.query('select 1');
    return true;
  };
  const stock = config(url);
  return withKnex(name, knex({ ...stock, pool: { ...stock.pool, validate } as Knex.PoolConfig }));
}

export function tenureKnex(name: Name, url: string, policy: PolicyOverrides = {}): Contender {
  return withKnex(name, knex(tenure(config(url), policy)));
}

function config(url: string): Knex.Config {
  return { client: 'pg', connection: url, pool: { min: 0, max: MAX, idleTimeoutMillis: IDLE_MS } };
}

function withKnex(name: Name, db: Knex): Contender {
  return { name, callers: CALLERS, operations: operationsOf(db), close: () => db.destroy() };
}

function operationsOf(db: Knex): Operations {
  return {
    lookup: async () => db('customers').where('id', someCustomer()).select('id', 'name'),
    join: async () =>
      db('orders')
        .join('customers', 'customers.id', 'orders.customer_id')
        .where('orders.customer_id', someCustomer())
        .orderBy('orders.id', 'desc')
        .limit(10)
        .select('orders.id', 'orders.cents', 'customers.name'),
    insert: async () => insert(db, someOrder()),
    transaction: () => db.transaction(changeOrder),
  };
}

async function changeOrder(trx: Knex.Transaction): Promise<void> {
  const order = someOrder();
  await trx('orders').where('id', order).select('cents');
  await trx('orders')
    .where('id', order)
    .update({ cents: order % 997 });
  await insert(trx, order);
}

async function insert(db: Knex, order: number): Promise<unknown> {
  return db('notes').insert({ order_id: order, body: 'as agreed' }, ['id']);
}
