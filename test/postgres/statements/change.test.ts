import { randomUUID } from 'node:crypto';
import type { Pool } from '@tenure/core/pg';
import type pg from 'pg';
import { beforeEach, describe, expect, it } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';
import { failure } from '../session/support.js';
import { own, prepare, prepared, useStatements } from './support.js';

const postgres = await usePostgres();
const openPool = useStatements(postgres);

/** A table of its own, and a query that reads all its columns. */
async function newTable(columns: string): Promise<{ table: string; select: string }> {
  const table = `t_${randomUUID().replaceAll('-', '')}`;
  await migrate(`create table ${table} (${columns}); insert into ${table} values (1)`);
  return { table, select: `select * from ${table} where id = $1` };
}

/** Runs SQL like another process, which gives the pool's sessions no notice. */
async function migrate(sql: string): Promise<void> {
  await postgres.admin(sql.startsWith('create table') ? `set role app; ${sql}` : sql);
}

/** The error of a query soon after a change, if there is one: the pool may have noticed the change by then. */
function codeOf(query: Promise<unknown>): Promise<string | undefined> {
  return query.then(
    () => undefined,
    ({ code }) => code,
  );
}

/** Both connections of a pool, with the query prepared. */
async function bothPrepared(pool: Pool, text: string, values: unknown[]): Promise<[pg.PoolClient, pg.PoolClient]> {
  const clients = await Promise.all([pool.connect(), pool.connect()]);
  for (const client of clients) await prepare(client, text, values);
  return clients as [pg.PoolClient, pg.PoolClient];
}

describe('When a column was added', () => {
  it('an idle session gives the new rows, and the caller hears of nothing', async () => {
    const { table, select } = await newTable('id int');
    const pool = openPool();
    await prepare(pool, select, [1]);
    await migrate(`alter table ${table} add column name text default 'x'`);
    const result = await pool.query(select, [1]);
    expect(result.rows).toEqual([{ id: 1, name: 'x' }]);
    expect(result.fields.map(({ name }) => name)).toEqual(['id', 'name']);
    expect(pool.stats().statements).toMatchObject({ invalidated: 1 });
    expect((await pool.query(select, [1])).rows).toEqual([{ id: 1, name: 'x' }]);
    expect(await prepared(pool)).toEqual([select]);
    expect(pool.stats().statements).toMatchObject({ prepared: 2, invalidated: 1 });
  });

  it('one transaction may fail, and none after it, on no connection', async () => {
    const { table, select } = await newTable('id int');
    const pool = openPool({}, { max: 2 });
    const [first, second] = await bothPrepared(pool, select, [1]);
    await migrate(`alter table ${table} add column name text`);
    await first.query('begin');
    const failed = (await codeOf(first.query(select, [1]))) === '0A000';
    await first.query('rollback');
    for (const client of [second, first, second]) {
      await client.query('begin');
      const code = await codeOf(client.query(select, [1]));
      if (failed) expect(code).toBe(undefined);
      await client.query('rollback');
      expect((await client.query(select, [1])).rows).toEqual([{ id: 1, name: null }]);
      expect(await prepared(client)).toEqual([select]);
    }
    for (const client of [first, second]) client.release();
  });

  it('one transaction may fail, whatever other queries read that table', async () => {
    const { table, select } = await newTable('id int');
    const other = `select * from ${table} where id < $1`;
    const pool = openPool({}, { max: 2 });
    const clients = await bothPrepared(pool, select, [1]);
    for (const client of clients) await prepare(client, other, [5]);
    await migrate(`alter table ${table} add column name text`);
    await clients[0].query('begin');
    const failed = (await codeOf(clients[0].query(select, [1]))) === '0A000';
    await clients[0].query('rollback');
    for (const client of clients) {
      await client.query('begin');
      const code = await codeOf(client.query(other, [5]));
      if (failed) expect(code).toBe(undefined);
      await client.query('rollback');
      expect((await client.query(other, [5])).rows).toEqual([{ id: 1, name: null }]);
      client.release();
    }
  });

  it('a write that returns its row is done once', async () => {
    const { table } = await newTable('id int');
    const insert = `insert into ${table} (id) values ($1) returning *`;
    const pool = openPool({ statementsForWrites: true });
    await prepare(pool, insert, [5]);
    await migrate(`alter table ${table} add column name text`);
    expect((await pool.query(insert, [6])).rows).toEqual([{ id: 6, name: null }]);
    const { rows } = await pool.query(`select count(*)::int as n from ${table} where id = 6`);
    expect(rows).toEqual([{ n: 1 }]);
  });

  it('a text that this happens to again and again is left alone in the end', async () => {
    const { table, select } = await newTable('id int');
    const pool = openPool();
    for (let round = 1; round <= 8; round++) {
      await prepare(pool, select, [1]);
      await migrate(`alter table ${table} add column c${round} int`);
      const { rows } = await pool.query(select, [1]);
      expect(Object.keys(rows[0])).toHaveLength(round + 1);
    }
    // Once more for each change that was seen before it was met.
    expect(pool.stats().statements!.prepared).toBeLessThan(10);
    await pool.query(select, [1]);
    expect(pool.stats().statements!.unprepared).toBeDefined();
  });

  it('by the session itself, in its own transaction, the next query knows it', async () => {
    const { table, select } = await newTable('id int');
    const pool = openPool({}, { max: 2 });
    const [first, second] = await bothPrepared(pool, select, [1]);
    await first.query('begin');
    await first.query(`alter table ${table} add column name text`);
    expect((await first.query(select, [1])).rows).toEqual([{ id: 1, name: null }]);
    await first.query('commit');
    await second.query('begin');
    expect((await second.query(select, [1])).rows).toEqual([{ id: 1, name: null }]);
    await second.query('commit');
    for (const client of [first, second]) client.release();
  });

  it('queries that wait behind the one that is run again keep their order', async () => {
    const { table, select } = await newTable('id int');
    const pool = openPool();
    await prepare(pool, select, [1]);
    await migrate(`alter table ${table} add column name text`);
    const client = await pool.connect();
    const order: string[] = [];
    await Promise.all([
      client.query(select, [1]).then(() => order.push('read')),
      client.query(`delete from ${table}`).then(() => order.push('deleted')),
      client.query(select, [1]).then(({ rows }) => order.push(`read ${rows.length}`)),
    ]);
    expect(order).toEqual(['read', 'deleted', 'read 0']);
    client.release();
  });
});

describe('When the type of a column has changed', () => {
  it('a value that did not fit before is taken, though nothing was said to change', async () => {
    const { table } = await newTable('id int');
    const insert = `insert into ${table} values ($1)`;
    const pool = openPool({ statementsForWrites: true }, { max: 2 });
    const [first, second] = await bothPrepared(pool, insert, [7]);
    await migrate(`alter table ${table} alter column id type bigint`);
    expect((await first.query(insert, ['3000000000'])).rowCount).toBe(1);
    // The other connection has learned from it, so that not even a transaction fails.
    await second.query('begin');
    expect((await second.query(insert, ['4000000000'])).rowCount).toBe(1);
    await second.query('commit');
    for (const client of [first, second]) client.release();
  });

  it('a wrong value is refused as ever, and keeps the statement', async () => {
    const { select } = await newTable('id int');
    const pool = openPool();
    await prepare(pool, select, [1]);
    for (let n = 0; n < 3; n++) expect(await failure(pool.query(select, ['abc']))).toMatchObject({ code: '22P02' });
    const { hits } = pool.stats().statements!;
    for (let n = 0; n < 3; n++) expect((await pool.query(select, [1])).rows).toEqual([{ id: 1 }]);
    expect(pool.stats().statements!.hits).toBeGreaterThanOrEqual(hits + 2);
  });

  it('a transaction that meets it may fail, and the next use is clean', async () => {
    const { table } = await newTable('id int');
    const insert = `insert into ${table} values ($1)`;
    const pool = openPool({ statementsForWrites: true });
    await prepare(pool, insert, [7]);
    await migrate(`alter table ${table} alter column id type bigint`);
    const client = await pool.connect();
    await client.query('begin');
    expect(await codeOf(client.query(insert, ['3000000000']))).toBeOneOf(['22003', undefined]);
    await client.query('rollback; begin');
    expect((await client.query(insert, ['3000000000'])).rowCount).toBe(1);
    await client.query('commit');
    client.release();
  });

  it('to one without the operator that was used, the query is run anew', async () => {
    const { table, select } = await newTable('id int');
    const pool = openPool();
    await prepare(pool, select, [1]);
    await migrate(`alter table ${table} alter column id type text`);
    expect((await pool.query(select, ['1'])).rows).toEqual([{ id: '1' }]);
    expect((await pool.query(select, ['abc'])).rows).toEqual([]);
  });

  it('and its type was dropped and made again, the query is run anew', async () => {
    const mood = `mood_${randomUUID().replaceAll('-', '')}`;
    const create = `create type ${mood} as enum ('sad', 'happy')`;
    await postgres.admin(`set role app; ${create}`);
    const text = own(`select $1::${mood}::text as mood`);
    const pool = openPool();
    await prepare(pool, text, ['sad']);
    await postgres.admin(`set role app; drop type ${mood}; ${create}`);
    for (let n = 0; n < 3; n++) expect((await pool.query(text, ['happy'])).rows).toEqual([{ mood: 'happy' }]);
  });
});

describe('When a table was dropped', () => {
  it('and made again with other columns, the query gives them', async () => {
    const { table, select } = await newTable('id int');
    const pool = openPool();
    await prepare(pool, select, [1]);
    await migrate(`drop table ${table}`);
    expect(await failure(pool.query(select, [1]))).toMatchObject({ code: '42P01' });
    await migrate(`create table ${table} (name text, id int)`);
    await migrate(`insert into ${table} values ('x', 1)`);
    for (let n = 0; n < 3; n++) expect((await pool.query(select, [1])).rows).toEqual([{ name: 'x', id: 1 }]);
  });

  it('and made again by the session itself, in one transaction, the next query knows it', async () => {
    const { table, select } = await newTable('id int');
    const pool = openPool();
    const client = await pool.connect();
    await prepare(client, select, [1]);
    await client.query('begin');
    await client.query(`drop table ${table}`);
    await client.query(`create table ${table} (name text, id int)`);
    expect((await client.query(select, [1])).fields.map(({ name }) => name)).toEqual(['name', 'id']);
    await client.query('commit');
    client.release();
  });
});

describe('When the search path has changed', () => {
  let pool: Pool;
  const schemas = ['a', 'b'].map((name) => `${name}_${randomUUID().slice(0, 8)}`) as [string, string];
  const select = own('select * from tenants where id = $1');
  beforeEach(async () => {
    pool = openPool();
    await postgres.admin(`set role app; ${schemas.map((schema) => `create schema if not exists ${schema}`).join('; ')};
      create table if not exists ${schemas[0]}.tenants (id int);
      create table if not exists ${schemas[1]}.tenants (id text, name text)`);
  });

  it('each tenant gets its own tables, with their own columns and types, in transactions too', async () => {
    const client = await pool.connect();
    for (let round = 0; round < 3; round++) {
      for (const [index, schema] of schemas.entries()) {
        await client.query('begin');
        await client.query(`set local search_path = ${schema}`);
        const { fields } = await client.query(select, [index === 0 ? 1 : 'x']);
        expect(fields).toHaveLength(index + 1);
        await client.query('commit');
      }
    }
    client.release();
  });
});

describe('When the session was cleared', () => {
  it.each(['discard all', 'deallocate all', 'select 1; deallocate all'])(
    'by %s, the next use prepares anew, in a transaction too',
    async (command) => {
      const pool = openPool();
      const client = await pool.connect();
      const texts = [own('select $1::int as a'), own('select $1::int as b')];
      for (const text of texts) await prepare(client, text, [1]);
      await client.query(command);
      await client.query('begin');
      for (const text of texts) expect((await client.query(text, [1])).rowCount).toBe(1);
      await client.query('commit');
      expect(await prepared(client)).toEqual(texts);
      expect(pool.stats().statements).toMatchObject({ prepared: 4, invalidated: 2 });
      client.release();
    },
  );

  it('by a block of code, the next use prepares anew, in a transaction too', async () => {
    const pool = openPool();
    const client = await pool.connect();
    const text = own('select $1::int as n');
    await prepare(client, text, [1]);
    await client.query(`do $$ begin execute 'deallocate all'; end $$`);
    expect((await client.query(text, [1])).rows).toEqual([{ n: 1 }]);
    await client.query(`do $$ begin execute 'deallocate all'; end $$`);
    await client.query('begin');
    expect((await client.query(text, [1])).rows).toEqual([{ n: 1 }]);
    await client.query('commit');
    expect(await prepared(client)).toEqual([text]);
    client.release();
  });

  it('by the reset of a pool that resets sessions, the statements stay', async () => {
    const pool = openPool({ reset: 'session' });
    const text = own('select $1::int as n');
    await prepare(pool, text, [1]);
    await pool.query("set time zone 'Asia/Tokyo'");
    for (let n = 0; n < 3; n++) await pool.query(text, [1]);
    expect(pool.stats().statements).toMatchObject({ prepared: 1, hits: 3, invalidated: 0 });
  });
});

describe('When the role has changed', () => {
  it('rows are those that the role may see, and what it may not see is refused', async () => {
    const table = `secrets_${randomUUID().slice(0, 8)}`;
    await postgres.admin(`create role ${table}; grant ${table} to app; set role app;
      create table ${table} (id int, owner text); insert into ${table} values (1, 'app'), (2, '${table}');
      alter table ${table} enable row level security; alter table ${table} force row level security;
      create policy own on ${table} using (owner = current_user); grant select (id) on ${table} to ${table}`);
    const pool = openPool();
    const client = await pool.connect();
    const visible = `select id from ${table} where id > $1`;
    const hidden = `select owner from ${table} where id > $1`;
    for (const text of [visible, hidden]) await prepare(client, text, [0]);
    expect((await client.query(visible, [0])).rows).toEqual([{ id: 1 }]);
    await client.query(`set role ${table}`);
    expect((await client.query(visible, [0])).rows).toEqual([{ id: 2 }]);
    expect(await failure(client.query(hidden, [0]))).toMatchObject({ code: '42501' });
    await client.query('reset role');
    expect((await client.query(hidden, [0])).rows).toEqual([{ owner: 'app' }]);
    client.release();
  });
});

describe('A query that fails in its run like a statement that is outdated', () => {
  it('is not run again: it may have done something', async () => {
    const name = `failing_${randomUUID().slice(0, 8)}`;
    await postgres.admin(`set role app; create table ${name} (id int); create sequence ${name}_runs;
      create function ${name}(int) returns int language plpgsql as
      $$ begin perform nextval('${name}_runs'); execute 'execute nothing_of_the_kind'; return 1; end $$`);
    const pool = openPool();
    const text = `select ${name}($1)`;
    for (let n = 0; n < 4; n++) expect(await failure(pool.query(text, [1]))).toMatchObject({ code: '26000' });
    expect((await pool.query(`select last_value::int as runs from ${name}_runs`)).rows).toEqual([{ runs: 4 }]);
    expect(pool.stats().statements).toMatchObject({ invalidated: 0 });
  });
});
