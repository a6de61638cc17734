import type { Pool } from '@tenure/core/pg';
import pg from 'pg';
import { beforeEach, describe, expect, it } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';
import { failure } from '../session/support.js';
import { own, useStatements } from './support.js';

const postgres = await usePostgres();
const openPool = useStatements(postgres);

/** The messages of the server to a client while `work` runs, by the names that `pg` gives them. */
async function sentTo(client: pg.ClientBase, work: () => Promise<unknown>): Promise<string[]> {
  const { connection } = client as unknown as { connection: NodeJS.EventEmitter };
  const names: string[] = [];
  const note = ({ name }: { name: string }) => void names.push(name);
  connection.on('message', note);
  await work();
  connection.removeListener('message', note);
  return names;
}

describe('The columns of a prepared statement', () => {
  let pool: Pool;
  let client: pg.PoolClient;
  beforeEach(async () => {
    pool = openPool({ prepareThreshold: 1 });
    client = await pool.connect();
    return () => client.release();
  });

  it('are described once, and told as part of every result', async () => {
    const text = own('select $1::int as n, now() as t');
    const first = await client.query(text, [1]);
    const run = async () => {
      const { rows, fields } = await client.query(text, [2]);
      expect(rows).toEqual([{ n: 2, t: expect.any(Date) }]);
      expect(fields).toEqual(first.fields);
      expect(fields[0]).toBeInstanceOf(first.fields[0]!.constructor);
    };
    expect(await sentTo(client, run)).toEqual(['bindComplete', 'dataRow', 'commandComplete', 'readyForQuery']);
  });

  it('that there are none is remembered too', async () => {
    const writing = openPool({ prepareThreshold: 1, statementsForWrites: true });
    const client = await writing.connect();
    await client.query('create temporary table notes (body text)');
    const text = own('insert into notes values ($1)');
    await client.query(text, ['one']);
    const run = async () => expect(await client.query(text, ['two'])).toMatchObject({ rows: [], rowCount: 1 });
    expect(await sentTo(client, run)).toEqual(['bindComplete', 'commandComplete', 'readyForQuery']);
    client.release();
  });

  it('are told also where no row follows', async () => {
    const text = own('select $1::int as n where $1::int > 0');
    for (const n of [1, 0, 0]) {
      const { rows, fields } = await client.query(text, [n]);
      expect(rows).toHaveLength(n);
      expect(fields.map(({ name }) => name)).toEqual(['n']);
    }
  });

  it('are its own in each result, and the app may change them', async () => {
    const text = own('select $1::int as n');
    for (let n = 0; n < 3; n++) {
      const { rows, fields } = await client.query(text, [n]);
      expect(rows).toEqual([{ n }]);
      expect(fields.map(({ name }) => name)).toEqual(['n']);
      Object.assign(fields[0]!, { name: 'changed', dataTypeID: 25 });
      fields.length = 0;
    }
  });

  it('are asked for where rows come in binary form', async () => {
    const text = own('select $1::int as n');
    const binary = { text, values: [7], binary: true } as pg.QueryConfig;
    for (const query of [binary, { text, values: [7] }, binary, { text, values: [7] }]) {
      expect((await client.query(query)).rows).toEqual([{ n: 7 }]);
    }
  });

  it('are not mistaken for those of a query that fails, nor of the one after it', async () => {
    const text = own('select 1 / $1::int as n');
    for (const n of [1, 0, 1, 0]) {
      if (n === 0) expect(await failure(client.query(text, [n]))).toMatchObject({ code: '22012' });
      else expect((await client.query(text, [n])).rows).toEqual([{ n: 1 }]);
      expect((await client.query('select 2 as other')).rows).toEqual([{ other: 2 }]);
    }
  });

  it('are those of the table that the session sees now, after its search path has changed', async () => {
    await client.query('create schema one; create table one.things (a int)');
    await client.query('create schema two; create table two.things (b text, c text)');
    await client.query(`insert into one.things values (1); insert into two.things values ('x', 'y')`);
    const text = own('select * from things where $1::int = 1');
    for (const [path, row] of [
      ['one', { a: 1 }],
      ['two', { b: 'x', c: 'y' }],
      ['one', { a: 1 }],
    ] as const) {
      await client.query(`set search_path to ${path}`);
      for (let round = 0; round < 2; round++) expect((await client.query(text, [1])).rows).toEqual([row]);
    }
  });

  it('are right after another session has changed the table', async () => {
    await client.query('create table changing (id int, body text)');
    await client.query(`insert into changing values (1, 'x')`);
    const text = own('select * from changing where id = $1');
    const other = new pg.Client(postgres.url);
    await other.connect();
    for (const [change, row] of [
      ['rename column body to words', { id: 1, words: 'x' }],
      ['add column more int', { id: 1, words: 'x', more: null }],
      ['alter column id type bigint', { id: '1', words: 'x', more: null }],
      ['drop column words', { id: '1', more: null }],
    ] as const) {
      for (let round = 0; round < 2; round++) await client.query(text, [1]);
      await other.query(`alter table changing ${change}`);
      for (let round = 0; round < 2; round++) expect((await client.query(text, [1])).rows).toEqual([row]);
    }
    await other.end();
  });
});
