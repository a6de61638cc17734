import type { Pool } from '@tenure/core/pg';
import pg from 'pg';
import Cursor from 'pg-cursor';
import { beforeEach, describe, expect, it } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';
import { failure } from '../session/support.js';
import { own, prepared, useStatements } from './support.js';

const postgres = await usePostgres();
const openPool = useStatements(postgres);

const ERROR_OF_JSON = 'Do not know how to serialize a BigInt';

describe('A query with parameters', () => {
  it('is prepared when it is repeated, and found prepared from then on', async () => {
    const pool = openPool();
    const text = own('select $1::int + 1 as n');
    for (let n = 0; n < 5; n++) expect((await pool.query(text, [n])).rows).toEqual([{ n: n + 1 }]);
    expect(await prepared(pool)).toEqual([text]);
    expect(pool.stats().statements).toEqual({ state: 'on', hits: 3, prepared: 1, evicted: 0, invalidated: 0 });
  });

  it('is not prepared the first time', async () => {
    const pool = openPool();
    for (let n = 0; n < 20; n++) await pool.query(own('select $1::int'), [n]);
    expect(await prepared(pool)).toEqual([]);
  });

  it('is prepared at the fifth use by default, and at the first with a threshold of 1', async () => {
    const byDefault = openPool({ prepareThreshold: undefined });
    const text = own('select $1::int');
    for (let n = 0; n < 4; n++) await byDefault.query(text, [n]);
    expect(await prepared(byDefault)).toEqual([]);
    await byDefault.query(text, [4]);
    expect(await prepared(byDefault)).toEqual([text]);

    const eager = openPool({ prepareThreshold: 1 });
    await eager.query(own('select $1::int as eager'), [1]);
    expect(await prepared(eager)).toHaveLength(1);
  });

  it('is counted per process, and prepared on each connection that runs it', async () => {
    const pool = openPool({}, { max: 2 });
    const text = own('select $1::int');
    await pool.query(text, [0]);
    const clients = await Promise.all([pool.connect(), pool.connect()]);
    for (const client of clients) {
      await client.query(text, [1]);
      expect(await prepared(client)).toEqual([text]);
      client.release();
    }
    expect(pool.stats().statements).toMatchObject({ hits: 0, prepared: 2 });
  });

  it('has the name that the hash of its text gives, in any process', async () => {
    const pool = openPool({ prepareThreshold: 1 });
    await pool.query('select $1::int as named', [1]);
    const { rows } = await pool.query('select name from pg_prepared_statements');
    expect(rows).toEqual([{ name: 'tenure_4d24ea3da792b823f5c1b490' }]);
  });
});

describe('Left alone is', () => {
  let pool: Pool;
  beforeEach(() => {
    pool = openPool({ prepareThreshold: 1 });
  });

  it('a query with a name of its own, which works beside those of Tenure', async () => {
    const text = own('select $1::int as n');
    const named = own('select $1::int as named');
    for (let n = 0; n < 3; n++) {
      await pool.query(text, [n]);
      expect((await pool.query({ name: 'mine', text: named, values: [n] })).rows).toEqual([{ named: n }]);
    }
    const { rows } = await pool.query('select name from pg_prepared_statements order by prepare_time');
    expect(rows).toEqual([{ name: expect.stringMatching(/^tenure_/) }, { name: 'mine' }]);
    expect(pool.stats().statements).toMatchObject({ prepared: 1, hits: 2 });
  });

  it('a query that the app made itself', async () => {
    const client = await pool.connect();
    const text = own('select $1::int as n');
    for (let n = 0; n < 3; n++) {
      const result = await new Promise((resolve, reject) => {
        client.query(new pg.Query({ text, values: [n] }, (error, rows) => (error ? reject(error) : resolve(rows))));
      });
      expect(result).toMatchObject({ rows: [{ n }] });
      await new Promise((resolve) => client.query(new pg.Query(text, [n])).on('end', resolve));
    }
    expect(await prepared(client)).toEqual([]);
    client.release();
  });

  it('a cursor', async () => {
    const client = await pool.connect();
    for (let n = 0; n < 3; n++) {
      const cursor = client.query(new Cursor('select generate_series(1, $1::int) as n', [3]));
      expect(await cursor.read(2)).toEqual([{ n: 1 }, { n: 2 }]);
      await cursor.close();
    }
    expect(await prepared(client)).toEqual([]);
    client.release();
  });

  it('a text without parameters', async () => {
    for (let n = 0; n < 3; n++) {
      await pool.query('select 1');
      await pool.query('select 1', []);
      await pool.query('select 1; select 2');
    }
    expect(await prepared(pool)).toEqual([]);
  });

  it('a text of several statements, which the server refuses to take with parameters', async () => {
    const stock = new pg.Client(postgres.url);
    await stock.connect();
    const text = own('select $1::int; select 2');
    const { message, code } = await failure(stock.query(text, [1]));
    await stock.end();
    for (let n = 0; n < 3; n++) expect(await failure(pool.query(text, [1]))).toMatchObject({ message, code });
    expect(pool.stats().statements).toMatchObject({ prepared: 0 });
  });

  it('a client in pipeline mode', async () => {
    const piped = openPool({ prepareThreshold: 1 }, { pipeline: true } as pg.PoolConfig);
    const text = own('select $1::int as n');
    const client = await piped.connect();
    const results = await Promise.all([1, 2, 3].map((n) => client.query(text, [n])));
    expect(results.map(({ rows }) => rows[0].n)).toEqual([1, 2, 3]);
    expect(await prepared(client)).toEqual([]);
    client.release();
  });

  it('everything, with CONN_STATEMENTS=0', async () => {
    const off = openPool({ statements: 0, prepareThreshold: 1 });
    for (let n = 0; n < 3; n++) await off.query('select $1::int', [n]);
    expect(await prepared(off)).toEqual([]);
    expect(off.stats().statements).toEqual({ state: 'off', hits: 0, prepared: 0, evicted: 0, invalidated: 0 });
  });
});

describe('Every form of call', () => {
  /** Prepared twice over: the second round of each form finds its statement. */
  const twice = [1, 2];
  let pool: Pool;
  beforeEach(() => {
    pool = openPool({ prepareThreshold: 1 });
  });

  it.each<[string, (client: pg.ClientBase, text: string) => Promise<pg.QueryResult>]>([
    ['text and values', (client, text) => client.query(text, [7])],
    ['a configuration', (client, text) => client.query({ text, values: [7] })],
    ['a configuration and values', (client, text) => client.query({ text }, [7])],
    [
      'a callback',
      (client, text) =>
        new Promise((resolve, reject) => {
          expect(client.query(text, [7], (error, result) => (error ? reject(error) : resolve(result)))).toBe(undefined);
        }),
    ],
    [
      'a callback in the configuration',
      (client, text) =>
        new Promise((resolve, reject) => {
          const callback = (error: Error, result: pg.QueryResult) => (error ? reject(error) : resolve(result));
          (client as unknown as { query(config: object): void }).query({ text, values: [7], callback });
        }),
    ],
  ])('with %s gives what it gives without preparing', async (_name, run) => {
    const text = own('select $1::int as n, now() as t');
    const stock = new pg.Client(postgres.url);
    await stock.connect();
    const expected = await run(stock, text);
    await stock.end();
    const client = await pool.connect();
    for (const _ of twice) {
      const { rows, fields, command, rowCount, oid, ...rest } = await run(client, text);
      expect(rows).toEqual([{ n: 7, t: expect.any(Date) }]);
      expect(fields).toEqual(expected.fields);
      expect({ command, rowCount, oid }).toEqual({ command: 'SELECT', rowCount: 1, oid: null });
      expect(Object.keys({ ...rest, rows, fields, command, rowCount, oid }).sort()).toEqual(
        Object.keys(expected).sort(),
      );
    }
    expect(await prepared(client)).toEqual([text]);
    client.release();
  });

  it('keeps rows as arrays, type parsers, and binary results', async () => {
    const text = own('select $1::int as n');
    const types = { getTypeParser: () => (value: string) => `parsed ${value}` };
    for (const _ of twice) {
      expect((await pool.query({ text, values: [7], rowMode: 'array' })).rows).toEqual([[7]]);
      expect((await pool.query({ text, values: [7], types } as pg.QueryConfig)).rows).toEqual([{ n: 'parsed 7' }]);
      const binary = await pool.query({ text, values: [7], binary: true } as pg.QueryConfig);
      expect([binary.rows, binary.fields[0]!.format]).toEqual([[{ n: 7 }], 'binary']);
    }
    expect(pool.stats().statements).toMatchObject({ prepared: 1, hits: 5 });
  });

  it('keeps time limits: the caller hears of the limit, and the session goes on', async () => {
    const client = await pool.connect();
    const text = own('select pg_sleep($1::float8)');
    await client.query(text, [0]);
    const slow = { text, values: [0.5], query_timeout: 20 } as pg.QueryConfig;
    expect(await failure(client.query(slow))).toMatchObject({ message: 'Query read timeout' });
    expect((await client.query(text, [0])).rowCount).toBe(1);
    client.release();
  });

  it('names the line of the app in the stack of an error', async () => {
    const client = await pool.connect();
    const text = own('select 1 / $1::int');
    await client.query(text, [1]);
    const error = await failure(client.query(text, [0]));
    expect(error).toMatchObject({ code: '22012' });
    expect(error.stack).toContain('statements.test.ts');
    client.release();
  });

  it('goes through whatever tools have put in the place of the query method of the class', async () => {
    const seen: unknown[][] = [];
    const client = await pool.connect();
    const text = own('select $1::int as n');
    const { query } = pg.Client.prototype;
    pg.Client.prototype.query = function patched(this: pg.Client, ...args: unknown[]) {
      seen.push(args);
      return (query as (...args: unknown[]) => unknown).apply(this, args);
    } as typeof query;
    try {
      for (const n of twice) expect((await client.query(text, [n])).rows).toEqual([{ n }]);
    } finally {
      pg.Client.prototype.query = query;
    }
    expect(seen).toEqual([
      [text, [1]],
      [text, [2]],
    ]);
    expect(await prepared(client)).toEqual([text]);
    client.release();
  });

  it('is judged by the text that tools have made of it: a comment that is new each time is a new text', async () => {
    const client = await pool.connect();
    const { query: stock } = pg.Client.prototype;
    pg.Client.prototype.query = function commented(this: pg.Client, config: object, ...rest: unknown[]) {
      const text = own((config as pg.QueryConfig).text);
      return (stock as (...args: unknown[]) => unknown).call(this, { ...config, text }, ...rest);
    } as typeof stock;
    try {
      for (const n of twice) {
        expect((await client.query({ text: 'select $1::int as n', values: [n] })).rows).toEqual([{ n }]);
      }
    } finally {
      pg.Client.prototype.query = stock;
    }
    expect(pool.stats().statements).toMatchObject({ prepared: 2, hits: 0 });
    client.release();
  });

  it('waits its turn behind others on the same client', async () => {
    const client = await pool.connect();
    const text = own('select $1::int as n');
    const results = await Promise.all([1, 2, 3, 4].map((n) => client.query(text, [n])));
    expect(results.map(({ rows }) => rows)).toEqual([[{ n: 1 }], [{ n: 2 }], [{ n: 3 }], [{ n: 4 }]]);
    expect(pool.stats().statements).toMatchObject({ prepared: 1, hits: 3 });
    client.release();
  });
});

describe('Any value', () => {
  it('goes through one statement: null, arrays, bytea, JSON, values of different JavaScript types', async () => {
    const pool = openPool({ prepareThreshold: 1 });
    const text = own('select $1::text as a, $2::bytea as b, $3::int[] as c, $4::jsonb as d');
    const rows = [
      { a: 'x', b: Buffer.from([0, 255]), c: [1, 2], d: { f: [1] } },
      { a: null, b: null, c: null, d: null },
      { a: '1', b: Buffer.alloc(0), c: [], d: 'text' },
    ];
    for (const { a, b, c, d } of rows) {
      const values = [a === '1' ? 1 : a, b, c, d === null ? null : JSON.stringify(d)];
      expect((await pool.query(text, values)).rows).toEqual([{ a, b, c, d }]);
    }
    expect(pool.stats().statements).toMatchObject({ prepared: 1, hits: 2 });
  });

  it('that cannot be serialised leaves the statement usable', async () => {
    const pool = openPool();
    const text = own('select $1::jsonb as j');
    const bad = { n: 1n };
    // The three rounds come before its Parse, together with it, and after it.
    for (let round = 0; round < 3; round++) {
      expect(await failure(pool.query(text, [bad]))).toMatchObject({ message: expect.stringContaining(ERROR_OF_JSON) });
    }
    for (let round = 0; round < 2; round++) {
      expect((await pool.query(text, [{ n: round }])).rows).toEqual([{ j: { n: round } }]);
      expect(await failure(pool.query(text, [bad]))).toMatchObject({ message: expect.stringContaining(ERROR_OF_JSON) });
    }
    expect((await pool.query(text, [{}])).rows).toEqual([{ j: {} }]);
    expect(await prepared(pool)).toEqual([text]);
  });

  it('that cannot be serialised, together with the Parse, leaves nothing that is taken for a statement', async () => {
    const pool = openPool({ prepareThreshold: 1 });
    const text = own('select $1::jsonb as j');
    expect(await failure(pool.query(text, [{ n: 1n }]))).toMatchObject({
      message: expect.stringContaining(ERROR_OF_JSON),
    });
    for (let n = 0; n < 2; n++) expect((await pool.query(text, [{ n }])).rows).toEqual([{ j: { n } }]);
    expect(pool.stats().statements).toMatchObject({ prepared: 1, hits: 1 });
  });

  it('that a row parser throws on fails its own query only', async () => {
    const pool = openPool({ prepareThreshold: 1 });
    const text = own('select $1::int as n');
    const types = {
      getTypeParser: () => () => {
        throw new Error('no parser');
      },
    };
    for (let round = 0; round < 2; round++) {
      expect(await failure(pool.query({ text, values: [1], types } as pg.QueryConfig))).toMatchObject({
        message: 'no parser',
      });
      expect((await pool.query(text, [1])).rows).toEqual([{ n: 1 }]);
    }
  });
});

describe('An error of the query', () => {
  it('in its Parse prepares nothing and pushes nothing out', async () => {
    const pool = openPool({ prepareThreshold: 1, statements: 2 });
    const texts = [own('select $1::int as one'), own('select $1::int as two')];
    for (const text of texts) await pool.query(text, [1]);
    const wrong = own('select nothing from nowhere where x = $1');
    for (let n = 0; n < 5; n++) expect(await failure(pool.query(wrong, [1]))).toMatchObject({ code: '42P01' });
    expect((await prepared(pool)).length).toBeGreaterThanOrEqual(1);
    expect(pool.stats().statements).toMatchObject({ prepared: 2, invalidated: 0 });
  });

  it('in its run keeps the statement', async () => {
    const pool = openPool({ prepareThreshold: 1, statementsForWrites: true });
    await pool.query('create table once (id int primary key)');
    const text = own('insert into once values ($1)');
    await pool.query(text, [1]);
    for (let n = 0; n < 3; n++) expect(await failure(pool.query(text, [1]))).toMatchObject({ code: '23505' });
    await pool.query(text, [2]);
    expect(await prepared(pool)).toEqual([text]);
    expect(pool.stats().statements).toMatchObject({ prepared: 1, hits: 4, invalidated: 0 });
  });

  it('in a failed transaction changes nothing', async () => {
    const pool = openPool({ prepareThreshold: 1 });
    const client = await pool.connect();
    const known = own('select $1::int as known');
    const unknown = own('select $1::int as unknown');
    await client.query(known, [1]);
    await client.query('begin');
    await failure(client.query('select 1 / 0'));
    for (const text of [known, unknown])
      expect(await failure(client.query(text, [1]))).toMatchObject({ code: '25P02' });
    await client.query('rollback');
    for (const text of [known, unknown]) expect((await client.query(text, [1])).rowCount).toBe(1);
    expect(await prepared(client)).toEqual([known, unknown]);
    client.release();
  });
});

describe('The number of statements', () => {
  it('on a connection is limited: the least recently used one goes, on the server too', async () => {
    const pool = openPool({ prepareThreshold: 1, statements: 2 });
    const [a, b, c] = ['a', 'b', 'c'].map((name) => own(`select $1::int as ${name}`)) as [string, string, string];
    for (const text of [a, b, a, c]) await pool.query(text, [1]);
    expect(await prepared(pool)).toEqual([a, c]);
    await pool.query(b, [1]);
    expect(await prepared(pool)).toEqual([c, b]);
    expect(pool.stats().statements).toMatchObject({ hits: 1, prepared: 4, evicted: 2 });
  });

  it('stays within the limit over thousands of texts, on both sides', async () => {
    const pool = openPool({ prepareThreshold: 1, statements: 20 });
    const client = await pool.connect();
    const numbers = Array.from({ length: 1_500 }, (_, index) => index + 1);
    for (const count of numbers) {
      const { rows } = await client.query(`select ${count} = $1 as same`, [count]);
      expect(rows).toEqual([{ same: true }]);
    }
    expect(await prepared(client)).toHaveLength(20);
    const { connection } = client as unknown as { connection: { parsedStatements: object } };
    expect(Object.keys(connection.parsedStatements)).toHaveLength(0);
    expect(pool.stats().statements).toMatchObject({ prepared: 1_500, evicted: 1_480 });
    client.release();
  });

  it('has none of a very long text, nor of one with very many parameters', async () => {
    const pool = openPool();
    const long = own(`select $1::int as n /* ${'x'.repeat(1_000_000)} */`);
    const numbers = Array.from({ length: 100 }, (_, index) => index + 1);
    const wide = own(`select 7 in (${numbers.map((n) => `$${n}`)}) as found`);
    for (let n = 0; n < 3; n++) {
      expect((await pool.query(long, [n])).rows).toEqual([{ n }]);
      expect((await pool.query(wide, numbers)).rows).toEqual([{ found: true }]);
    }
    expect(pool.stats().statements).toMatchObject({ prepared: 0, unprepared: { size: 4 } });
  });

  it('costs no round trip of its own when one goes', async () => {
    const pool = openPool({ prepareThreshold: 1, statements: 1 });
    const client = await pool.connect();
    const { connection } = client as unknown as { connection: { stream: NodeJS.WriteStream } };
    await client.query(own('select $1::int'), [1]);
    let syncs = 0;
    const { _send } = connection as unknown as { _send(data: Buffer): void };
    Object.assign(connection, {
      _send(data: Buffer) {
        if (data[0] === 'S'.charCodeAt(0)) syncs++;
        return _send.call(connection, data);
      },
    });
    for (let n = 0; n < 3; n++) await client.query(own('select $1::int'), [1]);
    expect(syncs).toBe(3);
    expect(pool.stats().statements).toMatchObject({ evicted: 3 });
    client.release();
  });
});

describe('The end of the connection in a prepared query', () => {
  it('fails the query, and the next connection prepares for itself', async () => {
    const pool = openPool({ prepareThreshold: 1, statementsForWrites: true });
    pool.on('error', () => {});
    const text = own('select pg_terminate_backend($1::int)');
    const { rows } = await pool.query('select pg_backend_pid() as pid');
    await pool.query(text, [0]);
    expect(await failure(pool.query(text, [rows[0].pid]))).toMatchObject({ code: '57P01' });
    expect((await pool.query(text, [0])).rowCount).toBe(1);
    expect(pool.stats().statements).toMatchObject({ prepared: 2 });
  });
});
