import { Pool } from '@tenure/core/pg';
import { tenure } from '@tenure/knex';
import knex, { type Knex } from 'knex';
import pg from 'pg';

export interface Contender {
  readonly name: string;
  open(url: string): App;
}

export interface App {
  query(): Promise<unknown>;
  close(): Promise<unknown>;
}

const MAX = 10;

export const CONTENDERS: readonly Contender[] = [
  { name: 'pg.Pool', open: (url) => withPool(new pg.Pool({ connectionString: url, max: MAX })) },
  { name: 'Tenure Pool', open: (url) => withPool(new Pool({ connectionString: url, max: MAX })) },
  { name: 'Knex', open: (url) => withKnex(knex(knexConfig(url))) },
  { name: 'Knex + Tenure', open: (url) => withKnex(knex(tenure(knexConfig(url)))) },
];

function withPool(pool: pg.Pool): App {
  // Without a listener a stock pool ends the process when the server closes a connection.
  pool.on('error', () => {});
  return { query: () => pool.query('select $1::int', [1]), close: () => pool.end() };
}

function knexConfig(url: string): Knex.Config {
  return { client: 'pg', connection: url, pool: { min: 0, max: MAX }, log: { warn: () => {}, error: () => {} } };
}

function withKnex(db: Knex): App {
  return { query: async () => db.select(db.raw('?::int', [1])), close: () => db.destroy() };
}
