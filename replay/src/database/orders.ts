import type { Knex } from 'knex';
import type pg from 'pg';
import { signUpsTable } from './signUps.js';

const CUSTOMERS = 1_000;
const ORDERS = 20_000;
const SHOWN = 10;

/** The tables of the app, in a schema of their own. */
export async function seed(client: pg.Client, schema: string): Promise<void> {
  await client.query(`
    create schema ${schema};
    create table ${schema}.customers (id int primary key, name text not null);
    create table ${schema}.orders (
      id int primary key,
      customer_id int not null references ${schema}.customers,
      cents int not null
    );
    insert into ${schema}.customers select n, 'Customer ' || n from generate_series(1, ${CUSTOMERS}) n;
    insert into ${schema}.orders select n, 1 + n % ${CUSTOMERS}, n % 9973 from generate_series(1, ${ORDERS}) n;
    create index on ${schema}.orders (customer_id, id);
    ${signUpsTable(schema)}`);
  // A message of its own: `vacuum` may not run inside a transaction, and several statements in one message are one.
  await client.query(`vacuum analyze ${schema}.customers, ${schema}.orders, ${schema}.sign_ups`);
}

/** The query of the app's `GET /orders`: one indexed join. */
export function lastOrders(db: Knex, schema: string): Promise<unknown[]> {
  return db
    .withSchema(schema)
    .from('orders')
    .join('customers', 'customers.id', 'orders.customer_id')
    .where('orders.customer_id', 1 + Math.floor(Math.random() * CUSTOMERS))
    .orderBy('orders.id', 'desc')
    .limit(SHOWN)
    .select('orders.id', 'orders.cents', 'customers.name');
}
