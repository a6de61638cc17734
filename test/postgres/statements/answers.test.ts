import { randomUUID } from 'node:crypto';
import type { PolicyOverrides } from '@tenure/core';
import pg from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';
import { sleep } from '../pgPool/support.js';
import { hitsOf, own, useStatements } from './support.js';

/*
 * Each test does the same on a stock client and on one of Tenure, with tables of its own, and compares all that both give.
 */

const postgres = await usePostgres();
const openPool = useStatements(postgres);
/** So long at most until a change is acted on whose session has ended. */
const SEEN_AFTER_MS = 2_100;

interface Side {
  query(text: string, values?: unknown[]): Promise<unknown>;
  /** Runs SQL in a session of another process, which ends. */
  elsewhere(sql: string): Promise<unknown>;
  /** The names of its own tables and schemas. */
  readonly own: string;
}

async function stockClient(): Promise<pg.Client> {
  const client = new pg.Client(postgres.url);
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

/** Runs the work on both sides, and expects the same results. Returns them. */
async function same(work: (side: Side) => Promise<unknown>, policy: PolicyOverrides = {}) {
  const pool = openPool({ prepareThreshold: undefined, ...policy });
  const client = await pool.connect();
  onTestFinished(() => client.release());
  const sideOf = (of: pg.ClientBase): Side => ({
    own: `own_${randomUUID().slice(0, 8)}`,
    elsewhere: (sql) => postgres.admin(`set role app; ${sql}`),
    query: (text, values) =>
      of.query(text, values as unknown[]).then(
        (result) =>
          [result]
            .flat()
            .map(({ rows, rowCount, fields }) => ({ rows, rowCount, names: fields.map(({ name }) => name) })),
        ({ code, message }) => ({ code: code ?? message }),
      ),
  });
  const [stock, tenure] = await Promise.all([work(sideOf(await stockClient())), work(sideOf(client))]);
  expect(tenure).toEqual(stock);
  return { gave: stock, pool };
}

/** Runs a query ten times, some milliseconds apart. */
async function often({ query }: Side, text: string, values: unknown[] = [1]): Promise<unknown[]> {
  const results: unknown[] = [];
  for (let n = 0; n < 10; n++) {
    results.push(await query(text, values));
    await sleep(2);
  }
  return results;
}

describe('A literal that says when', () => {
  it.each([
    `'now'::timestamptz`,
    `timestamptz 'now'`,
    `timestamp with time zone 'now'`,
    `cast('now' as timestamptz)`,
    `E'now'::timestamptz`,
    `U&'\\006Eow'::timestamptz`,
    `$$now$$::timestamptz`,
    `$tag$now$tag$::timestamptz`,
    `'NOW'::timestamp at time zone current_setting($2)`,
    `coalesce('now', now() - $3::interval)`,
  ])('is read anew with each run: %s', async (literal) => {
    await same((side) => {
      const text = own(`select now() - ${literal} < $3::interval as young where $1::int = 1 and $2::text is not null`);
      return often(side, text, [1, 'TimeZone', '1 ms']);
    });
  });

  it('in a condition does not let what has expired pass', async () => {
    await same(async (side) => {
      await side.query(`create temp table sessions as select now() + interval '8 ms' as expires_at`);
      for (let n = 0; n < 6; n++)
        await side.query(own(`select count(*) from sessions where expires_at > 'now' and $1 = 1`), [1]);
      await sleep(20);
      return often(side, `select count(*) as n from sessions where expires_at > 'now' and $1 = 1`);
    });
  });

  it('is stored as often as it is written', async () => {
    const insert = `insert into times select 'now'::timestamptz where $1 = 1`;
    const text = own(insert);
    await same(
      async (side) => {
        await side.query('create temp table times (at timestamptz)');
        await often(side, text);
        return side.query('select count(distinct at) as n from times');
      },
      { statementsForWrites: true },
    );
  });
});

describe('A literal that is read under settings', () => {
  it.each([
    ['timezone', 'UTC', 'Asia/Tokyo', `'2024-03-01'::timestamptz = '2024-03-01 00:00+00'::timestamptz`],
    ['datestyle', 'ISO, MDY', 'ISO, DMY', `to_char('01/02/2024'::date, 'YYYY-MM-DD')`],
    ['intervalstyle', 'postgres', 'sql_standard', `extract(epoch from interval '-1 2:03:04')`],
    ['transform_null_equals', 'off', 'on', `$1::int = null`],
    ['bytea_output', 'hex', 'escape', `'\\x41'::bytea::text`],
    ['extra_float_digits', '1', '-4', `(0.1::float8 + 0.2::float8)::text`],
    ['array_nulls', 'on', 'off', `('{null}'::text[])[1] is null`],
    ['standard_conforming_strings', 'on', 'off', `'a\\142'::text`],
    ['search_path', 'public', 'information_schema', `'tables'::regclass::text`],
    ['default_text_search_config', 'simple', 'english', `to_tsvector('running')::text`],
  ])('follows %s, in a transaction and out of it', async (name, one, other, expression) => {
    const text = own(`select ${expression} as it where $1::int = 1`);
    await same(async (side) => {
      const results: unknown[] = [];
      const run = async () => results.push(...(await often(side, text)));
      await side.query(`set ${name} = ${one.includes(',') || one.includes('/') ? `'${one}'` : one}`);
      await run();
      await side.query('begin');
      await side.query(`select set_config($1, $2, true)`, [name, other]);
      await run();
      await side.query('commit');
      await run();
      await side.query(`select set_config($1, $2, false)`, [name, other]);
      await run();
      await side.query(`reset ${name}`);
      await run();
      return results;
    });
  });

  it('is hidden in a function that says it is immutable, and is not', async () => {
    await same(async (side) => {
      const name = side.own;
      await side.query(
        `create function ${name}() returns text immutable language sql as $$ select current_setting('app.tenant', true) $$`,
      );
      await side.query(`create view ${name}_view as select n, ${name}() as tenant from generate_series(1, 3) n`);
      const results: unknown[] = [];
      for (const tenant of ['a', 'b']) {
        for (const isLocal of [false, true]) {
          await side.query('begin');
          await side.query(`select set_config('app.tenant', $1, ${isLocal})`, [tenant]);
          for (const source of [`select ${name}() as tenant where $1 = 1`, `select * from ${name}_view where n = $1`]) {
            results.push(await often(side, source));
          }
          await side.query('commit');
        }
      }
      return results;
    });
  });
});

describe('A text', () => {
  it.each(['', ' ', '-- nothing', ';', '/* nothing */'])('that is empty is answered as ever: %j', async (text) => {
    await same((side) => often(side, text));
  });
});

/** Types of a column before and after, and a value that the two read differently. */
const CHANGED: [before: string, after: string, value: unknown, row: string][] = [
  ['int', 'text', '02134', '7'],
  ['date', 'timestamptz', '2024-03-01 12:30', '2024-03-01'],
  ['date', 'timestamp', '2024-03-01 12:30', '2024-03-01'],
  ['timestamptz', 'text', '2024-03-01 12:30+05', '2024-03-01'],
  ['time', 'text', '12:30:00.10', '12:30'],
  ['numeric', 'int', '1.5', '2'],
  ['real', 'numeric', '0.123456789', '1'],
  ['float8', 'numeric', '12345678901234567.8', '1'],
  ['int', 'numeric', '1.5', '1'],
  ['char(3)', 'text', 'a  ', 'a'],
  ['boolean', 'text', '1', 'true'],
  ['money', 'text', '5', '5'],
  ['uuid', 'text', '{00000000-0000-0000-0000-00000000000A}', '00000000-0000-0000-0000-000000000001'],
  ['jsonb', 'text', '{"b":1, "a":1.0}', '{}'],
  ['interval', 'text', '24 hours', '1 day'],
];

describe('When another process has changed a column', () => {
  it.each(CHANGED)('from %s to %s, what is written is what was sent, at once', async (before, after, value, row) => {
    await same(async (side) => {
      await side.query(`create table ${side.own} (id int, v ${before})`);
      await side.query(`insert into ${side.own} values (0, '${row}')`);
      await often(side, `insert into ${side.own} values ($1, $2)`, [1, row]);
      await often(side, `update ${side.own} set v = $1 where id = $2`, [row, 1]);
      await side.elsewhere(`alter table ${side.own} alter v type ${after} using v::text::${after}`);
      return [
        await side.query(`insert into ${side.own} values ($1, $2)`, [2, value]),
        await side.query(`update ${side.own} set v = $1 where id = $2`, [value, 0]),
        await side.query(`select v::text from ${side.own} order by id`),
      ];
    });
  });

  it.each(CHANGED.filter(([before]) => !['int', 'boolean', 'jsonb', 'uuid'].includes(before)))(
    'from %s to %s, what is read is right at once',
    async (before, after, value, row) => {
      await same(async (side) => {
        await side.query(`create table ${side.own} (id int, v ${before})`);
        await side.query(`insert into ${side.own} values (0, '${row}')`);
        const count = `select count(*) as n from ${side.own} where v > $1`;
        await often(side, count, [row]);
        await side.elsewhere(`alter table ${side.own} alter v type ${after} using v::text::${after}`);
        return often(side, count, [value]);
      });
    },
  );

  it.each(CHANGED)(
    'from %s to %s, what is read is right in transactions, once that has been seen',
    async (before, after, value, row) => {
      await same(async (side) => {
        await side.query(`create table ${side.own} (id int, v ${before})`);
        await side.query(`insert into ${side.own} values (0, '${row}')`);
        const texts = [`select * from ${side.own} where id = $1`, `select id from ${side.own} where v > $1`];
        for (const [index, text] of texts.entries()) await often(side, text, [index === 0 ? 0 : row]);
        await side.elsewhere(
          `alter table ${side.own} alter v type ${after} using v::text::${after}; alter table ${side.own} add more int`,
        );
        await sleep(SEEN_AFTER_MS);
        await side.query('begin');
        const results = [await side.query(texts[0]!, [0]), await side.query(texts[1]!, [value])];
        await side.query('rollback');
        return results;
      });
    },
  );
});

describe("Another tenant's tables", () => {
  it.each([
    ['search path', (name: string) => `set local search_path = ${name}`],
    ['role', (name: string) => `set local role ${name}`],
    ['role, by a function', (name: string) => `select set_config('role', '${name}', true)`],
    [
      'search path, and that in one text with more',
      (name: string) => `savepoint a; set local search_path = ${name}; select 1`,
    ],
  ])('are those of the %s that the transaction has', async (_name, choose) => {
    await same(async (side) => {
      const tenants = [`a_${side.own}`, `b_${side.own}`];
      for (const [index, tenant] of tenants.entries()) {
        await postgres.admin(`create role ${tenant}; grant ${tenant} to app; create schema ${tenant} authorization app;
          set role app; create table ${tenant}.things (id int, v ${['int', 'text'][index]}); insert into ${tenant}.things values (1, '${index + 2134}');
          grant usage on schema ${tenant} to ${tenant}; grant all on ${tenant}.things to ${tenant}`);
      }
      const results: unknown[] = [];
      for (const tenant of [...tenants, ...tenants]) {
        await side.query('begin');
        await side.query(choose(tenant));
        results.push(await often(side, 'insert into things values ($1, $2)', [2, '02134']));
        results.push(await often(side, 'select count(*) as n from things where v = $1', ['02134']));
        results.push(await side.query('select v::text from things order by 1'));
        await side.query('commit');
      }
      return results;
    });
  });
});

describe('A table that comes to stand earlier in the path', () => {
  const WAYS: [name: string, make: (name: string) => string][] = [
    ['create temp table as', (name) => `create temp table ${name} as select 1 as id, '5'::text as v`],
    ['select into', (name) => `select 1 as id, '5'::text as v into temp ${name}`],
    ['do', (name) => `do $$ begin create temp table ${name} as select 1 as id, '5'::text as v; end $$`],
    ['a function', (name) => `select make_${name}()`],
    ['a procedure', (name) => `call call_${name}()`],
    ['create view', (name) => `create temp view ${name} as select 1 as id, '5'::text as v`],
  ];
  it.each(WAYS)('is read from the next query on: %s', async (_name, make) => {
    await same(async (side) => {
      const name = side.own;
      const body = `create temp table ${name} as select 1 as id, '5'::text as v`;
      await side.query(`create table ${name} (id int, v int); insert into ${name} values (1, 2134), (2, 7)`);
      await side.query(`create function make_${name}() returns void language plpgsql as $$ begin ${body}; end $$`);
      await side.query(`create procedure call_${name}() language plpgsql as $$ begin ${body}; end $$`);
      // The session has temporary tables already: another one changes nothing that PostgreSQL looks at.
      await side.query(`create temp table other_${name} (id int)`);
      const results: unknown[] = [];
      const read = async () => {
        results.push(await often(side, `select * from ${name} where id = $1`));
        results.push(await often(side, `select count(*) as n from ${name} where v = $1`, ['5']));
      };
      await read();
      await side.query('begin');
      await side.query(make(name));
      await read();
      await side.query('rollback');
      await read();
      await side.query(make(name));
      await read();
      await side.query('discard temp');
      await read();
      return results;
    });
  });

  it('is read when it has been seen that another process has made it', async () => {
    await same(async (side) => {
      const name = side.own;
      await side.query(
        `create schema s_${name}; create table ${name} (id int, v int); insert into ${name} values (1, 7)`,
      );
      await side.query(`set search_path = s_${name}, public`);
      const read = () => often(side, `select id, v from ${name} where v = $1`, ['7']);
      const before = await read();
      await side.elsewhere(
        `create table s_${name}.${name} (id int, v text); insert into s_${name}.${name} values (2, '7')`,
      );
      await sleep(SEEN_AFTER_MS);
      return [before, await read()];
    });
  });
});

describe('A statement', () => {
  it('whose columns were described is described anew when tables have changed, the table of each column too', async () => {
    const pool = openPool({ prepareThreshold: 1 });
    const client = await pool.connect();
    const name = `again_${randomUUID().slice(0, 8)}`;
    await client.query(`create table ${name} (id int)`);
    const columns = async () => (await client.query(`select id from ${name} where id = $1`, [1])).fields;
    const [before] = [await columns(), await columns()];
    await postgres.admin(`set role app; drop table ${name}; create table ${name} (id int)`);
    await sleep(SEEN_AFTER_MS);
    const after = await columns();
    expect(after[0]!.tableID).not.toBe(before[0]!.tableID);
    const [{ oid }] = (await client.query(`select '${name}'::regclass::oid as oid`)).rows;
    expect(after[0]!.tableID).toBe(oid);
    client.release();
  });

  it('of a job queue whose one status needs another plan is left alone, and that is said once', async () => {
    const warnings: Error[] = [];
    const note = (warning: Error) => void warnings.push(warning);
    process.on('warning', note);
    onTestFinished(() => void process.off('warning', note));
    await postgres.admin(`set role app; create table jobs (id int primary key, status text not null, pad text);
      insert into jobs select n, case when n > 199990 then 'pending' else 'done' || n % 2 end, repeat('x', 60) from generate_series(1, 200000) n;
      create index on jobs (status)`);
    await postgres.admin('vacuum analyze jobs');
    const pool = openPool({ prepareThreshold: undefined });
    const next = 'select id from jobs where status = $1 order by id limit 1';
    for (let n = 0; n < 20; n++) expect((await pool.query(next, [`done${n % 2}`])).rowCount).toBe(1);
    for (let n = 0; n < 60; n++) expect((await pool.query(next, ['pending'])).rows).toEqual([{ id: 199_991 }]);
    expect(pool.stats().statements!.unprepared!.slower).toBeGreaterThan(10);
    const said = warnings.filter((warning) => (warning as { code?: string }).code === 'TENURE_STATEMENT_SLOWER');
    expect(said.map(({ message }) => message)).toEqual([expect.stringContaining(next)]);
  });

  it('is used all the same, where nothing of this is the matter', async () => {
    const { pool } = await same((side) => often(side, own('select $1::int as n')));
    expect(hitsOf(pool)).toBe(5);
  });
});
