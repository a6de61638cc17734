import type { PolicyOverrides } from '@tenure/core';
import { Pool } from '@tenure/core/pg';
import { poolOf, tenure } from '@tenure/knex';
import knex from 'knex';
import pg from 'pg';
import { afterAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { OpenAdapter } from '../../contract/adapterContract.js';
import { openKnex } from '../../contract/openKnex.js';
import { openPool } from '../../contract/openPool.js';
import { openPrisma } from '../../contract/openPrisma.js';
import { hasPgBouncer, type PgBouncer, startPgBouncer } from '../../support/pgbouncer.js';
import { usePostgres } from '../../support/usePostgres.js';

const postgres = await usePostgres();
await postgres.admin(
  'create table accounts as select n as id, 100 as amount from generate_series(1, 4) n; alter table accounts owner to app',
);

const ADAPTERS: [string, OpenAdapter][] = [
  ['Pool', openPool],
  ['Knex', openKnex],
  ['Prisma', openPrisma],
];

function poolOn({ url }: PgBouncer, policy: PolicyOverrides = {}): Pool {
  const pool = new Pool({ connectionString: url, max: 2, policy });
  onTestFinished(() => pool.drain(0));
  return pool;
}

/** The warnings of this test that are about the pooler. */
function poolerWarnings(): string[] {
  const warnings: string[] = [];
  const note = (warning: Error & { code?: string }) => {
    if (warning.code === 'TENURE_POOLER') warnings.push(warning.message.split(' needs ')[0]!);
  };
  process.on('warning', note);
  onTestFinished(() => void process.off('warning', note));
  return warnings;
}

describe.skipIf(!hasPgBouncer()).each(['transaction', 'session'] as const)(
  'Through PgBouncer in %s mode',
  async (poolMode) => {
    // In session mode a client waits for a session until another client leaves.
    const default_pool_size = poolMode === 'transaction' ? 2 : 20;
    const bouncer = await startPgBouncer({ upstream: postgres, poolMode, settings: { default_pool_size } });
    afterAll(() => bouncer.stop());

    describe.each(ADAPTERS)('%s', (_, open) => {
      const connect = () => {
        const { user, password, database } = postgres;
        const adapter = open(
          { host: bouncer.host, port: bouncer.port, user, password, database },
          { maxConnections: 4 },
        );
        onTestFinished(async () => void (await adapter.destroy()));
        return adapter;
      };

      it('runs transactions side by side: each is whole or is not', async () => {
        const app = connect();
        const move = (n: number) =>
          app.transaction(async (query) => {
            await query(`update accounts set amount = amount - 10 where id = ${1 + (n % 4)}`);
            await query('select pg_sleep(0.005)');
            if (n % 3 === 0) throw new Error('no');
            await query(`update accounts set amount = amount + 10 where id = ${1 + ((n + 1) % 4)}`);
          });
        // Transactions that lock in the order of their keys do not wait for each other.
        await postgres.admin('update accounts set amount = 100');
        const outcomes = await Promise.allSettled([0, 4, 8, 1, 5, 9, 12].map(move));
        expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(3);
        expect(await postgres.admin('select sum(amount)::int from accounts')).toEqual([{ sum: 400 }]);
        expect(app.stats()).toMatchObject({ pooler: 'detected', rolledBack: 0, used: 0 });
      });
    });

    it('a cancel of Knex reaches its query, and the connection serves the next one', async () => {
      const db = knex(
        tenure({ client: 'pg', connection: bouncer.url }, { maxConnections: 1, healthTimeoutMs: 10_000 }),
      );
      onTestFinished(() => db.destroy());
      for (let n = 0; n < 3; n++) {
        await expect(db.raw('select pg_sleep(30)').timeout(50, { cancel: true })).rejects.toThrow('timeout');
        expect((await db.raw('select 1 as one')).rows).toEqual([{ one: 1 }]);
      }
      expect(await postgres.activity({ state: 'active' })).toEqual([]);
      expect(poolOf(db).stats()).toMatchObject({ opened: 1 });
    });
  },
);

describe.skipIf(!hasPgBouncer())('CONN_POOLER', async () => {
  const settings = { default_pool_size: 1, max_client_conn: 50 };
  const transaction = await startPgBouncer({ upstream: postgres, poolMode: 'transaction', settings });
  const session = await startPgBouncer({ upstream: postgres, poolMode: 'session' });
  afterAll(() => Promise.all([transaction.stop(), session.stop()]));

  it('=session: statements are prepared, and a session is cleared on return', async () => {
    const warnings = poolerWarnings();
    const pool = poolOn(session, { pooler: 'session', reset: 'session', maxConnections: 1, prepareThreshold: 2 });
    for (let n = 0; n < 5; n++) expect((await pool.query('select $1::int as n', [n])).rows).toEqual([{ n }]);
    await pool.query(`set work_mem = '7MB'`);
    expect((await pool.query('show work_mem')).rows).toEqual([{ work_mem: '4MB' }]);
    expect(pool.stats()).toMatchObject({ pooler: 'session', statements: { state: 'on', hits: 3 } });
    expect(warnings).toEqual([]);
  });

  it('=transaction: a return clears nothing, since the session is another client’s by now, and that is said once', async () => {
    const warnings = poolerWarnings();
    const other = new pg.Client(transaction.url);
    await other.connect();
    onTestFinished(() => other.end());
    await other.query('select pg_advisory_lock(7)');
    const pool = poolOn(transaction, { pooler: 'transaction', reset: 'session' });
    for (let n = 0; n < 3; n++) await pool.query('select 1');
    // Nor is a session cleared after an error of a statement that may have left something.
    const client = await pool.connect();
    const error = await client
      .query('select set_config($1, $2, false), 1 / 0', ['work_mem', '9MB'])
      .catch((met) => met);
    client.release(error);
    await pool.query('select 1');
    expect(await postgres.admin(`select objid from pg_locks where locktype = 'advisory'`)).toEqual([{ objid: 7 }]);
    await other.query('select pg_advisory_unlock(7)');
    expect(pool.stats()).toMatchObject({
      pooler: 'transaction',
      statements: { state: 'behind-pooler' },
      closed: { discarded: 1 },
    });
    expect(warnings).toEqual(['CONN_RESET=session']);
  });

  it('=auto: what cannot work is named once, and in the hint of the error that follows', async () => {
    const warnings = poolerWarnings();
    const pool = poolOn(transaction);
    await pool.query('select 1');
    const hintOf = (query: string) =>
      pool.query(query).then(
        () => undefined,
        ({ hint }) => hint,
      );
    await hintOf('select * from missing');
    for (let n = 0; n < 2; n++) {
      await pool.query('listen news');
      await pool.query('set search_path to public');
      await pool.query('select pg_advisory_lock(1), pg_advisory_unlock(1)');
      await pool.query(`set application_name = 'kept by PgBouncer'; set local lock_timeout = 1`);
    }
    await pool.query('create temp table part (a int) on commit drop');
    await pool.query('create temp table mine (a int)');
    expect(await hintOf('select * from missing')).toMatch(/^A temporary table needs a session of its own/);
    expect(await hintOf('execute missing')).toMatch(/^A prepared statement needs .*docs\/poolers.md/);
    await expect.poll(() => warnings).toEqual(['LISTEN', 'SET', 'A session lock', 'A temporary table']);
    await pool.query('discard all');
  });

  it('=auto, no error gets a hint that it does not need', async () => {
    const direct = new Pool({ connectionString: postgres.url });
    onTestFinished(() => direct.drain(0));
    await direct.query('create temp table mine (a int)');
    for (const pool of [poolOn(transaction), direct]) {
      await pool.query('select 1');
      for (const text of ['select * from missing', 'select 1 / 0']) {
        expect(await pool.query(text).catch(({ hint }) => hint)).toBeUndefined();
      }
    }
  });

  it('a setting that PgBouncer refuses at login is refused at once, with what to do', async () => {
    const pool = new Pool({ connectionString: transaction.url, statement_timeout: 1_000 });
    onTestFinished(() => pool.drain(0));
    await expect(pool.query('select 1')).rejects.toMatchObject({
      message: expect.stringContaining('unsupported startup parameter: statement_timeout'),
      hint: expect.stringContaining('ALTER ROLE'),
    });
  });

  it('a query in flight is not looked for by process ID, which would find nothing', async () => {
    const query = vi.spyOn(pg.Connection.prototype as unknown as { query(text: string): void }, 'query');
    const pool = poolOn(transaction, { inFlightCheckMs: 100 });
    await pool.query('select pg_sleep(0.7)');
    expect(query.mock.calls.filter(([text]) => text.includes('pg_stat_activity'))).toEqual([]);
    expect(pool.stats()).toMatchObject({ opened: 1 });
  });
});

it('an error of the app gets no hint about poolers where there is none, whatever it says', async () => {
  const pool = new Pool({ connectionString: postgres.url, max: 1 });
  onTestFinished(() => pool.drain(0));
  await pool.query('select 1');
  const error = await pool.query("do $$ begin raise exception 'query_wait_timeout'; end $$").catch((error) => error);
  expect(error).toMatchObject({ message: 'query_wait_timeout', code: 'P0001' });
  expect(error.hint).toBeUndefined();
});
