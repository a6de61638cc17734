import { randomUUID } from 'node:crypto';
import { poolOf } from '@tenure/knex';
import type { Knex } from 'knex';
import { beforeAll, describe, expect, it } from 'vitest';
import { usePostgres } from '../support/usePostgres.js';
import { useKnex } from './support.js';

const postgres = await usePostgres();
const { open, stock } = useKnex(postgres);

/** One connection, which prepares at the second use. */
const openOne = (config: Knex.Config = {}) => open(config, { maxConnections: 1, prepareThreshold: 2 });

/** The process counts texts: a name that no other test has makes this one's its own. */
const alias = () => `n_${randomUUID().slice(0, 8)}`;

const prepared = async (db: Knex): Promise<number> => {
  const { rows } = await db.raw('select count(*)::int as n from pg_prepared_statements');
  return rows[0].n;
};

beforeAll(async () => {
  await postgres.admin(`set role app; create table people (id serial primary key, name text);
    insert into people (name) values ('Ada'), ('Grace')`);
});

describe('The queries of Knex', () => {
  it('are prepared when they are repeated, and answer as before', async () => {
    const db = openOne();
    const name = alias();
    const query = (of: Knex, id: number) => of('people').where({ id }).select('id', `name as ${name}`);
    const expected = await query(stock(), 1);
    for (let n = 0; n < 4; n++) expect(await query(db, 1)).toEqual(expected);
    expect(await query(db, 2)).toEqual([{ id: 2, [name]: 'Grace' }]);
    expect(await prepared(db)).toBe(1);
    expect(poolOf(db).stats().statements).toMatchObject({ state: 'on', prepared: 1, hits: 3 });
  });

  it('are prepared in transactions, with `first`, `pluck` and `raw`, and writes where they are asked for', async () => {
    const db = open({}, { maxConnections: 1, prepareThreshold: 2, statementsForWrites: true });
    const name = alias();
    for (let n = 0; n < 3; n++) {
      await db.transaction(async (trx) => {
        const [row] = await trx('people').insert({ name }).returning(['id', 'name']);
        expect(row).toEqual({ id: expect.any(Number), name });
        expect(await trx('people').where({ id: row.id }).first()).toEqual(row);
        expect(await trx('people').where({ id: row.id }).pluck('name')).toEqual([name]);
        expect((await trx.raw('select ?::int as n', [n])).rows).toEqual([{ n }]);
        expect(await trx('people').where({ id: row.id }).del()).toBe(1);
      });
    }
    expect(await prepared(db)).toBeGreaterThanOrEqual(4);
  });

  it('stream as before', async () => {
    const db = openOne();
    const name = alias();
    for (let n = 0; n < 3; n++) {
      const rows: unknown[] = [];
      for await (const row of db('people').where('id', '<', 3).select(`name as ${name}`).orderBy('id').stream()) {
        rows.push(row);
      }
      expect(rows).toEqual([{ [name]: 'Ada' }, { [name]: 'Grace' }]);
    }
    expect(await prepared(db)).toBe(0);
  });

  it('are right after a migration in the same process, without one failure', async () => {
    const db = open({}, { maxConnections: 2, prepareThreshold: 1 });
    const table = alias();
    await db.schema.createTable(table, (columns) => columns.integer('id'));
    await db(table).insert({ id: 1 });
    const read = () => db.transaction(async (trx) => trx(table).where({ id: 1 }).select('*'));
    await Promise.all([read(), read()]);
    await db.transaction(async (trx) => {
      await trx(table).where({ id: 1 }).select('*');
      await trx.schema.alterTable(table, (columns) => {
        columns.text('name');
      });
      expect(await trx(table).where({ id: 1 }).select('*')).toEqual([{ id: 1, name: null }]);
    });
    expect(await Promise.all([read(), read()])).toEqual([[{ id: 1, name: null }], [{ id: 1, name: null }]]);
  });

  it('keep their statements over a change of the search path that Knex itself makes', async () => {
    const db = openOne({ searchPath: ['public'] });
    const name = alias();
    for (let n = 0; n < 4; n++) await db('people').where({ id: 1 }).select(`name as ${name}`);
    expect(poolOf(db).stats().statements).toMatchObject({ prepared: 1, hits: 2, invalidated: 0 });
  });

  it('are not prepared with CONN_STATEMENTS=0', async () => {
    const db = open({}, { maxConnections: 1, prepareThreshold: 1, statements: 0 });
    for (let n = 0; n < 3; n++) await db('people').where({ id: 1 });
    expect(await prepared(db)).toBe(0);
    expect(poolOf(db).stats().statements).toMatchObject({ state: 'off' });
  });
});
