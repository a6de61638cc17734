import { Pool } from '@tenure/core/pg';
import { tenure } from '@tenure/knex';
import knex, { type Knex } from 'knex';
import pg from 'pg';
import { quantile } from '../figures/quantile.js';
import { someCustomer } from '../queries/tables.js';

export const CONTENDERS = [
  'pg.Pool',
  'Tenure, none',
  'Tenure, reads',
  'Knex',
  'Knex + Tenure, none',
  'Knex + Tenure, reads',
] as const;
export type Name = (typeof CONTENDERS)[number];

export const LOADS = {
  lookup: { title: 'Key lookup, 100 callers', callers: 100 },
  join: { title: 'Join, 100 callers', callers: 100 },
  slow: { title: 'Key lookup, 1 % known slow queries (20 ms), 100 callers', callers: 100 },
  one: { title: 'Key lookup, one caller', callers: 1 },
} as const;
export type LoadKey = keyof typeof LOADS;

export interface Turn {
  readonly load: LoadKey;
  readonly warmUpMs: number;
  readonly forMs: number;
}

/** The figures of one turn: milliseconds, and CPU time in microseconds for each operation. */
export interface Figures {
  readonly perSecond: number;
  readonly p99: number;
  /** The median of the slow queries; NaN without any. */
  readonly slowP50: number;
  readonly clientCpu: number;
  readonly serverCpu: number;
}

/** One operation of a load; resolves to whether it was a slow one. */
type Operation = () => Promise<boolean>;
export type Operations = Readonly<Record<LoadKey, Operation>>;

const MAX = 10;
const JOIN = `select orders.id, orders.cents, customers.name from orders join customers on customers.id = orders.customer_id
  where orders.customer_id = $1 order by orders.id desc limit 10`;

export function openContender(name: Name, url: string): Operations {
  if (name.startsWith('Knex')) return ofKnex(openKnex(name, url));
  const options = { connectionString: url, max: MAX };
  return ofPool(
    name === 'pg.Pool' ? new pg.Pool(options) : new Pool({ ...options, policy: { pipeline: modeOf(name) } }),
  );
}

function modeOf(name: Name): 'none' | 'reads' {
  return name.endsWith('reads') ? 'reads' : 'none';
}

function openKnex(name: Name, url: string): Knex {
  const config: Knex.Config = { client: 'pg', connection: url, pool: { min: 0, max: MAX } };
  return knex(name === 'Knex' ? config : tenure(config, { pipeline: modeOf(name) }));
}

function ofPool(pool: pg.Pool): Operations {
  const lookup = () => pool.query('select id, name from customers where id = $1', [someCustomer()]).then(isFast);
  return {
    lookup,
    one: lookup,
    join: () => pool.query(JOIN, [someCustomer()]).then(isFast),
    slow: () => (isSlowNext() ? pool.query('select pg_sleep($1)', [0.02]).then(isSlow) : lookup()),
  };
}

function ofKnex(db: Knex): Operations {
  const lookup = () => db('customers').select('id', 'name').where({ id: someCustomer() }).first().then(isFast);
  return {
    lookup,
    one: lookup,
    join: () =>
      db('orders')
        .join('customers', 'customers.id', 'orders.customer_id')
        .select('orders.id', 'orders.cents', 'customers.name')
        .where('orders.customer_id', someCustomer())
        .orderBy('orders.id', 'desc')
        .limit(10)
        .then(isFast),
    slow: () => (isSlowNext() ? db.raw('select pg_sleep(?)', [0.02]).then(isSlow) : lookup()),
  };
}

const isFast = () => false;
const isSlow = () => true;
const isSlowNext = () => Math.random() < 0.01;

/** Runs a load for a time. Returns the durations of the fast and the slow operations, sorted. */
export async function runFor(operations: Operations, load: LoadKey, ms: number) {
  const operation = operations[load];
  const fast: number[] = [];
  const slow: number[] = [];
  const end = performance.now() + ms;
  const caller = async () => {
    for (let now = performance.now(); now < end; ) {
      const wasSlow = await operation();
      const after = performance.now();
      (wasSlow ? slow : fast).push(after - now);
      now = after;
    }
  };
  await Promise.all(Array.from({ length: LOADS[load].callers }, caller));
  for (const times of [fast, slow]) times.sort((one, other) => one - other);
  return { count: fast.length + slow.length, p99: quantile(fast, 0.99), slowP50: quantile(slow, 0.5) };
}
