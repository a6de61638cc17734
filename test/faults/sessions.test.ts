import { setTimeout as sleep } from 'node:timers/promises';
import { Pool, type PoolConfig } from '@tenure/core/pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import { failures, runCalls } from '../contract/load.js';
import { usePostgres } from '../support/usePostgres.js';

const postgres = await usePostgres();

let pools = 0;

/** A pool that must be gone from the server when its test ends. */
function poolWith(config: PoolConfig): Pool {
  const applicationName = `pool ${++pools}`;
  const pool = new Pool({ connectionString: postgres.url, application_name: applicationName, ...config });
  onTestFinished(async () => {
    await pool.drain(1_000);
    await expect.poll(async () => (await postgres.activity({ applicationName })).length).toBe(0);
  });
  return pool;
}

describe('one session sets everything that a session can keep; with CONN_RESET=session', () => {
  it('the next borrower sees none of it, and its prepared statements are still there', async () => {
    await postgres.admin('create role other; grant other to app');
    const pool = poolWith({ max: 1, policy: { reset: 'session' } });
    const first = await pool.connect();
    await first.query(`
      set statement_timeout = 1234;
      set search_path = pg_catalog;
      create temporary table kept (id int);
      listen news;
      select pg_advisory_lock(42);
      set role other`);
    await first.query({ name: 'prepared', text: 'select $1::int as n', values: [1] });
    first.release();

    const next = await pool.connect();
    const { rows } = await next.query(`
      select current_setting('statement_timeout') as timeout, current_setting('search_path') as path, current_user as role,
        to_regclass('pg_temp.kept') as "table", (select count(*)::int from pg_listening_channels()) as channels,
        (select count(*)::int from pg_locks where locktype = 'advisory') as locks,
        (select array_agg(name::text) from pg_prepared_statements) as statements`);
    next.release();
    expect(next).toBe(first);
    expect(rows).toEqual([
      {
        timeout: '0',
        path: '"$user", public',
        role: 'app',
        table: null,
        channels: 0,
        locks: 0,
        statements: ['prepared'],
      },
    ]);
  });
});

/** A slow machine may need more time for a cancel than a check may take. */
const PATIENT = { healthTimeoutMs: 10_000 };

describe('a query that only the client gave up on', () => {
  const working = async () => (await postgres.activity({ state: 'active' })).length;
  const abandoned = { text: 'select pg_sleep(10)', query_timeout: 30 };

  it('is cancelled on the server, and its connection serves again', async () => {
    const pool = poolWith({ max: 1, policy: PATIENT });
    const { rows: before } = await pool.query('select pg_backend_pid() as pid');
    await expect(pool.query(abandoned)).rejects.toThrow('Query read timeout');
    const { rows: after } = await pool.query('select pg_backend_pid() as pid');
    expect(await working()).toBe(0);
    expect(after).toEqual(before);
  });

  it('holds up nobody: its connection is not lent before the server is ready, and no later query is hit by the cancel', async () => {
    const pool = poolWith({ max: 4, policy: PATIENT });
    const outcomes = await Promise.all([
      runCalls(60, 2, () => pool.query(abandoned)),
      runCalls(1_000, 6, () => pool.query('select pg_sleep(0.002)')),
    ]);
    const [given, others] = outcomes.map(failures);
    expect(given).toHaveLength(60);
    for (const error of given!) expect(String(error)).toContain('Query read timeout');
    expect(others!.map(String)).toEqual([]);
    expect(Math.max(...outcomes[1]!.map(({ tookMs }) => tookMs))).toBeLessThan(3_000);
    expect(await working()).toBe(0);
    // Abandoned connections were not closed either: each cancel has returned its connection.
    expect(pool.stats().opened).toBeLessThanOrEqual(4);
  });
});

describe('credentials that rotate', () => {
  it('are asked for at every connect; live sessions are left alone, and invalidate() replaces all', async () => {
    await postgres.admin(`create role rotating login password 'first'; grant all on schema public to rotating`);
    let password = 'first';
    let asked = 0;
    const { host, port, database } = postgres;
    const pool = poolWith({
      connectionString: undefined,
      ...{ host, port, database, user: 'rotating', max: 3 },
      password: () => {
        asked++;
        return password;
      },
    });
    const useThree = () => runCalls(3, 3, () => pool.query('select pg_sleep(0.1)'));
    const pids = async () => (await postgres.activity({ user: 'rotating' })).map(({ pid }) => pid);
    await expect.poll(async () => (await useThree(), pids())).toHaveLength(3);
    const old = await pids();
    expect(asked).toBe(3);

    await postgres.admin(`alter role rotating password 'second'`);
    password = 'second';
    expect(failures(await useThree())).toEqual([]);
    expect(await pids()).toEqual(old);
    expect(asked).toBe(3);

    const held = await pool.connect();
    pool.invalidate();
    await expect(held.query('select 1')).resolves.toBeDefined();
    held.release();
    expect(failures(await useThree())).toEqual([]);
    await expect.poll(async () => (await pids()).filter((pid) => old.includes(pid))).toEqual([]);
    expect(pool.stats().closed.invalidated).toBe(3);
    expect(asked).toBe(pool.stats().opened);
  });
});

describe('a pool that everyone wants', () => {
  it('sheds load with maxWaiting: as many are served as may wait, the others hear so at once', async () => {
    const pool = poolWith({ max: 2, policy: { maxWaiting: 3 } });
    await expect
      .poll(async () => (await runCalls(2, 2, () => pool.query('select pg_sleep(0.05)')), pool.idleCount))
      .toBe(2);
    const outcomes = await runCalls(20, 20, () => pool.query('select pg_sleep(0.3)'));
    // They are listed as they ended: before any of those who were served.
    const [refused, served] = [outcomes.slice(0, 15), outcomes.slice(15)];
    for (const { error } of refused) {
      expect(error).toMatchObject({ code: 'TENURE_TOO_MANY_WAITING', figures: { max: 2 } });
    }
    expect(served).toHaveLength(5);
    expect(failures(served)).toEqual([]);
  });

  it('reports with leakAfterMs who holds a connection, and what it ran last, without the values', async () => {
    const warnings: (Error & { code?: string })[] = [];
    const onWarning = (warning: Error) => void warnings.push(warning);
    process.on('warning', onWarning);
    onTestFinished(() => void process.off('warning', onWarning));
    const pool = poolWith({ policy: { leakAfterMs: 100 } });
    const held = await pool.connect();
    await held.query('select $1::text as leaking', ['a secret']);
    await expect.poll(() => warnings.length).toBe(1);
    await sleep(300);
    held.release();
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatchObject({ code: 'TENURE_LEAK' });
    expect(warnings[0]!.message).toContain('sessions.test.ts');
    expect(warnings[0]!.message).toContain('select $1::text as leaking');
    expect(warnings[0]!.message).not.toContain('a secret');
  });
});
