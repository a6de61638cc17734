import type { Pool } from '@tenure/core/pg';
import pg from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';
import { sleep } from '../pgPool/support.js';
import { hitsOf, own, useStatements } from './support.js';

const postgres = await usePostgres();
const openPool = useStatements(postgres);
const LOOK = 'have tables changed';

/** The texts that the clients of a pool send by the simple protocol. */
function simpleQueries(pool: Pool): string[] {
  const texts: string[] = [];
  pool.on('connect', (client) => {
    const { connection } = client as unknown as { connection: { query(text: string): void } };
    const { query } = connection;
    connection.query = (text) => {
      texts.push(text);
      query.call(connection, text);
    };
  });
  return texts;
}

/** Runs queries for this long, five at a time, and returns the result of `work`. */
async function busy(ms: number, work: () => Promise<unknown>): Promise<void> {
  const end = performance.now() + ms;
  while (performance.now() < end) await Promise.all([work(), work(), work(), work(), work()]);
}

async function until(ms: number, isSo: () => Promise<boolean>): Promise<number> {
  const began = performance.now();
  while (!(await isSo())) {
    if (performance.now() - began > ms) throw new Error(`Not within ${ms} ms`);
    await sleep(50);
  }
  return performance.now() - began;
}

describe('While statements are in use', () => {
  it('a process looks at the tables once a second at most, whatever its pools and connections', async () => {
    const pools = [openPool({}, { max: 4 }), openPool({}, { max: 2 })];
    const texts = pools.map(simpleQueries);
    const query = own('select $1::int as n');
    await busy(3_500, () => Promise.all(pools.map((pool) => pool.query(query, [1]))));
    const looks = texts.flat().filter((text) => text.includes(LOOK)).length;
    expect(looks).toBeGreaterThanOrEqual(2);
    expect(looks).toBeLessThanOrEqual(4);
    for (const pool of pools) expect(hitsOf(pool)).toBeGreaterThan(50);
  });

  it('a look is nothing that the app sees: no event, no error, no time in a transaction', async () => {
    const pool = openPool();
    const texts = simpleQueries(pool);
    const client = await pool.connect();
    const events: string[] = [];
    for (const event of ['notice', 'error', 'end']) client.on(event as 'notice', () => events.push(event));
    const query = own('select $1::int as n');
    for (let n = 0; n < 3; n++) expect((await client.query(query, [n])).rows).toEqual([{ n }]);
    await sleep(1_100);
    await client.query('begin');
    for (let n = 0; n < 3; n++) expect((await client.query(query, [n])).rows).toEqual([{ n }]);
    await client.query('commit');
    await client.query('begin');
    await client.query('commit');
    // The next transaction begins with the look that the queries of this one have wanted.
    expect(texts.slice(-5)).toEqual(['begin', 'commit', expect.stringContaining(LOOK), 'begin', 'commit']);
    expect(events).toEqual([]);
    client.release();
  });

  it('there is none without them, nor on a session that is not used', async () => {
    const pool = openPool();
    const texts = simpleQueries(pool);
    for (let n = 0; n < 5; n++) await pool.query('select 1');
    await pool.query(own('select $1::int'), [1]);
    expect(texts.filter((text) => text.includes(LOOK))).toEqual([]);
  });

  it('one that is cancelled or too slow fails nothing', async () => {
    const pool = openPool();
    const client = await pool.connect();
    await client.query(`set statement_timeout = '1ms'`);
    const query = own('select $1::int as n');
    for (let round = 0; round < 3; round++) {
      const results = await Promise.allSettled(Array.from({ length: 5 }, (_, n) => client.query(query, [n])));
      for (const result of results) {
        if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: '57014' });
      }
      await sleep(1_050);
    }
    await client.query('set statement_timeout = 0');
    expect((await client.query(query, [1])).rows).toEqual([{ n: 1 }]);
    client.release();
  });
});

describe('A change by another process', () => {
  const preparedBy = (pool: Pool) => pool.stats().statements!.prepared;

  it('is acted on within two seconds of the end of its session', async () => {
    await postgres.admin('set role app; create table soon (id int)');
    const pool = openPool({}, { max: 2 });
    const query = own('select count(*) from soon where id = $1');
    await busy(300, () => pool.query(query, [1]));
    const before = preparedBy(pool);
    await postgres.admin('alter table soon add column name text');
    await until(2_000, async () => {
      await pool.query(query, [1]);
      return preparedBy(pool) > before;
    });
  });

  it('is acted on within twelve seconds while its session stays open', async () => {
    await postgres.admin('set role app; create table later (id int)');
    const pool = openPool({}, { max: 2 });
    const other = new pg.Client(postgres.url);
    await other.connect();
    onTestFinished(() => other.end());
    // So that it has reported a moment ago, and will not at once.
    await other.query('select 1');
    const query = own('select count(*) from later where id = $1');
    await busy(300, () => pool.query(query, [1]));
    await sleep(1_100);
    await pool.query(query, [1]);
    const before = preparedBy(pool);
    await other.query('alter table later add column name text');
    await until(12_000, async () => {
      await pool.query(query, [1]);
      return preparedBy(pool) > before;
    });
  });

  it.each([
    'create type a_mood as enum ($$sad$$)',
    `alter type a_mood rename value 'sad' to 'glad'; alter type a_mood rename to b_mood`,
    'create function f() returns int language sql as $$ select 1 $$',
    'create or replace function f() returns int language sql as $$ select 2 $$',
    'create view v as select 1 as a',
    'create or replace view v as select 1 as a, 2 as b',
    'alter view v rename to w',
    'create schema s',
    'alter schema s rename to r',
    'create cast (int as point) with inout as implicit',
    'drop function f; drop view w; drop schema r; drop type b_mood; drop cast (int as point)',
  ])('is seen: %s', async (sql) => {
    const pool = openPool();
    const query = own('select $1::int');
    await until(2_000, async () => (await pool.query(query, [1])) && hitsOf(pool) > 2);
    const before = preparedBy(pool);
    await postgres.admin(sql);
    await until(2_000, async () => (await pool.query(query, [1])) && preparedBy(pool) > before);
  });

  it('is none that analyses or vacuums, nor one of rows', async () => {
    await postgres.admin('create table quiet (id int); insert into quiet select generate_series(1, 1000)');
    const pool = openPool();
    const query = own('select $1::int');
    await until(2_000, async () => (await pool.query(query, [1])) && hitsOf(pool) > 2);
    await sleep(1_100);
    await pool.query(query, [1]);
    const before = preparedBy(pool);
    await postgres.admin('analyze');
    await postgres.admin('vacuum');
    await postgres.admin('update quiet set id = -id; delete from quiet where id < 10');
    for (let n = 0; n < 25; n++) {
      await pool.query(query, [1]);
      await sleep(100);
    }
    expect(preparedBy(pool)).toBe(before);
  });
});

describe('An app that makes temporary tables all the time', () => {
  it('does not end up preparing all the time, and stats() says so', async () => {
    const pool = openPool({ prepareThreshold: 2 }, { max: 2 });
    const texts = Array.from({ length: 40 }, () => own('select $1::int as n'));
    const request = async () => {
      const client = await pool.connect();
      await client.query('create temp table mine (id int) on commit drop');
      for (const text of texts) await client.query(text, [1]);
      client.release();
    };
    for (let n = 0; n < 30; n++) await request();
    const { prepared } = pool.stats().statements!;
    for (let n = 0; n < 10; n++) await request();
    expect(pool.stats().statements!.prepared - prepared).toBeLessThan(40);
    expect(pool.stats().statements!.unprepared!.session).toBeGreaterThan(300);
  });

  it('elsewhere has its statements rest', async () => {
    const pool = openPool({ prepareThreshold: 2 });
    const other = new pg.Client(postgres.url);
    await other.connect();
    onTestFinished(() => other.end());
    const texts = Array.from({ length: 60 }, () => own('select $1::int as n'));
    await expect
      .poll(
        async () => {
          await other.query('create temp table if not exists mine (id int)');
          await other.query('drop table mine');
          for (const text of texts) await pool.query(text, [1]);
          await sleep(900);
          return pool.stats().statements!.state;
        },
        { timeout: 20_000, interval: 10 },
      )
      .toBe('tables-change');
    expect(pool.stats().statements!.unprepared!.tables).toBeGreaterThanOrEqual(0);
  });
});
