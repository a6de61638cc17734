import { poolOf } from '@tenure/knex';
import type { Knex } from 'knex';
import { describe, expect, it, vi } from 'vitest';
import { clearedAfter, grantRole, LEFTOVERS, leftovers } from '../postgres/session/leftovers.js';
import { usePostgres } from '../support/usePostgres.js';
import { useKnex } from './support.js';

const postgres = await usePostgres();
await grantRole(postgres);
const { open } = useKnex(postgres);

type Raw = { query(sql: string, callback: (error: Error | null) => void): void };

const value = async (db: Knex, sql: string) => Object.values((await db.raw(sql)).rows[0])[0];

function setUp() {
  const afterCreate = vi.fn((raw: Raw, done: (error: Error | null) => void) => raw.query("set work_mem = '7MB'", done));
  return { afterCreate, config: { searchPath: ['shop'], pool: { afterCreate } } };
}

describe('CONN_RESET=session', () => {
  it("clears what a borrower has set, and runs Knex's and the app's set-up again", async () => {
    const { afterCreate, config } = setUp();
    const db = open(config, { maxConnections: 1, reset: 'session' });
    await db.raw("set search_path to elsewhere; set work_mem = '9MB'; set timezone = 'Asia/Tokyo'");
    await db.raw('create temporary table leftovers ()');
    expect(await value(db, 'show search_path')).toBe('shop');
    expect(await value(db, 'show work_mem')).toBe('7MB');
    expect(await value(db, 'show timezone')).not.toBe('Asia/Tokyo');
    expect(await value(db, "select to_regclass('pg_temp.leftovers')")).toBeNull();
    const { opened, acquired } = poolOf(db).stats();
    expect(opened).toBe(1);
    // Once for the connect, and once for each return so far.
    await expect.poll(() => afterCreate.mock.calls.length).toBe(1 + acquired);
  });

  it('leaves nothing of what one borrower left to the next, but its prepared statements', async () => {
    const db = open({}, { maxConnections: 1, reset: 'session' });
    await db.transaction(async (trx) => {
      await trx.raw(LEFTOVERS);
      await trx.raw('prepare kept as select 1');
    });
    const query = async (sql: string) => (await db.raw(sql)).rows;
    expect(await leftovers(query)).toEqual(clearedAfter(postgres));
    expect(await query('select name from pg_prepared_statements')).toEqual([{ name: 'kept' }]);
    expect(poolOf(db).stats()).toMatchObject({ opened: 1 });
  });

  it('replaces a connection whose set-up fails', async () => {
    const failOnce = vi.fn((_: Raw, done: (error: Error | null) => void) => done(null));
    const db = open({ pool: { afterCreate: failOnce } }, { maxConnections: 1, reset: 'session' });
    const first = await value(db, 'select pg_backend_pid()');
    failOnce.mockImplementationOnce((_, done) => done(new Error('no')));
    await db.raw('select 1');
    expect(await value(db, 'select pg_backend_pid()')).not.toBe(first);
    expect(poolOf(db).stats()).toMatchObject({ opened: 2, closed: { broken: 1 } });
  });
});

describe('without it', () => {
  it('a session keeps what a borrower has set, as in Knex', async () => {
    const { afterCreate, config } = setUp();
    const db = open(config, { maxConnections: 1 });
    await db.raw("set work_mem = '9MB'");
    expect(await value(db, 'show work_mem')).toBe('9MB');
    expect(afterCreate).toHaveBeenCalledTimes(1);
  });
});
