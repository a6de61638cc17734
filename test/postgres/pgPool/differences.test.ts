import { execFileSync } from 'node:child_process';
import { inspect } from 'node:util';
import { TenureTimeoutError, TenureUnreachableError } from '@tenure/core';
import { Pool } from '@tenure/core/pg';
import pg from 'pg';
import Cursor from 'pg-cursor';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { freePort } from '../../support/freePort.js';
import { usePostgres } from '../../support/usePostgres.js';
import { failure } from '../session/support.js';
import { pidOf, record, settlesWithin, sleep, usePools } from './support.js';

const postgres = await usePostgres();
const make = usePools(postgres);

/** Each with what the stock pool does, so that a new pg-pool which does the same is noticed. */
describe('On purpose, unlike pg.Pool', () => {
  describe('an SQL error closes no connection', () => {
    beforeAll(async () => {
      await postgres.admin(
        'create table shops (id int primary key); grant all on shops to app; insert into shops values (1)',
      );
    });

    /** The backends that served so many unique violations, sent by ten callers. */
    async function violations(pool: pg.Pool, count: number): Promise<number> {
      const backends = new Set<unknown>();
      pool.on('connect', (client) => backends.add((client as { processID?: unknown }).processID));
      const callers = Array.from({ length: 10 }, async () => {
        for (let n = 0; n < count / 10; n++) {
          expect(await failure(pool.query('insert into shops values ($1)', [1]))).toMatchObject({ code: '23505' });
        }
      });
      await Promise.all(callers);
      return backends.size;
    }

    it('in pool.query', async () => {
      expect(await violations(make(pg.Pool, { max: 4 }), 100)).toBeGreaterThanOrEqual(90);
      const pool = make(Pool, { max: 4, application_name: 'violations' });
      expect(await violations(pool, 100)).toBeLessThanOrEqual(4);
      const before = await postgres.activity({ applicationName: 'violations' });
      expect(await violations(pool, 1_000)).toBe(0);
      const after = await postgres.activity({ applicationName: 'violations' });
      const sessions = (list: typeof before) => list.map(({ pid, startedAt }) => ({ pid, startedAt }));
      expect(sessions(after)).toEqual(sessions(before));
      expect(pool.stats().opened).toBeLessThanOrEqual(4);
    });

    it('given to release', async () => {
      const releaseWithError = async (pool: pg.Pool) => {
        const client = await pool.connect();
        const pid = await pidOf(client);
        client.release(await failure(client.query('select nothing')));
        return (await pidOf(pool)) === pid;
      };
      expect(await releaseWithError(make(pg.Pool, { max: 1 }))).toBe(false);
      expect(await releaseWithError(make(Pool, { max: 1 }))).toBe(true);
    });

    it('but one that ends the session does', async () => {
      const pool = make(Pool, { max: 1 });
      const pid = await pidOf(pool);
      const suicide = pool.query('select pg_terminate_backend(pg_backend_pid())');
      expect(await failure(suicide)).toMatchObject({ code: '57P01' });
      expect(await pidOf(pool)).not.toBe(pid);
      expect(pool.stats().closed.broken).toBe(1);
    });
  });

  it('a transaction that was left open is rolled back', async () => {
    const statusAfterBegin = async (pool: pg.Pool) => {
      await pool.query('begin');
      const client = await pool.connect();
      const status = client.getTransactionStatus();
      client.release();
      return status;
    };
    expect(await statusAfterBegin(make(pg.Pool, { max: 1 }))).toBe('T');
    const pool = make(Pool, { max: 1 });
    expect(await statusAfterBegin(pool)).toBe('I');
    expect(pool.stats()).toMatchObject({ rolledBack: 1, opened: 1 });
  });

  it('a client that is given back in mid-query reaches nobody before its answer has come', async () => {
    const nextAfterBusy = async (pool: pg.Pool) => {
      const client = await pool.connect();
      const answer = client.query('select pg_sleep(0.1)').then(() => 'answered');
      client.release();
      (await pool.connect()).release();
      return Promise.race([answer, sleep(0).then(() => 'not answered')]);
    };
    expect(await nextAfterBusy(make(pg.Pool, { max: 1 }))).toBe('not answered');
    expect(await nextAfterBusy(make(Pool, { max: 1 }))).toBe('answered');
  });

  it('a caller gets what comes first, a client that is returned or a new one', async () => {
    const timeToSecond = async (pool: pg.Pool) => {
      const client = await pool.connect();
      const start = performance.now();
      const second = pool.connect();
      client.release();
      (await second).release();
      return performance.now() - start;
    };
    const slowToConnect = (slow = false) => ({
      max: 2,
      onConnect: async () => {
        if (slow) await sleep(500);
        slow = true;
      },
    });
    expect(await timeToSecond(make(pg.Pool, slowToConnect()))).toBeGreaterThan(400);
    expect(await timeToSecond(make(Pool, slowToConnect()))).toBeLessThan(400);
  });

  it('an idle connection that was killed a moment ago reaches nobody', async () => {
    const queryAfterKill = async (pool: pg.Pool, applicationName: string) => {
      pool.on('error', () => {});
      await pool.query('select 1');
      // Nothing of this process runs meanwhile, so nothing of it has read the goodbye.
      killFromOutside(applicationName);
      return pool.query('select 1').then(
        () => 'served',
        () => 'failed',
      );
    };
    expect(await queryAfterKill(make(pg.Pool, { application_name: 'stock' }), 'stock')).toBe('failed');
    expect(await queryAfterKill(make(Pool, { application_name: 'tenure' }), 'tenure')).toBe('served');
  });

  it('a timeout in line says who holds the connections', async () => {
    const timeout = async (pool: pg.Pool) => {
      const client = await pool.connect();
      const error = await failure(pool.connect());
      client.release();
      return error;
    };
    // Long enough for the first connect.
    const options = { max: 1, connectionTimeoutMillis: 1_000 };
    expect((await timeout(make(pg.Pool, options))).message).toBe('timeout exceeded when trying to connect');
    const error = await timeout(make(Pool, options));
    expect(error).toBeInstanceOf(TenureTimeoutError);
    expect(error).toMatchObject({ code: 'TENURE_ACQUIRE_TIMEOUT', figures: { used: 1, max: 1 }, holders: [{}] });
    expect(error.message).toMatch(/^timeout exceeded when trying to connect\. .* 1 used/);
  });

  it('a server that is away is waited for, and then named', async () => {
    const url = `postgres://app:app@127.0.0.1:${await freePort()}/app`;
    const options = { connectionString: url, connectionTimeoutMillis: 1_500 };
    expect(await failure(make(pg.Pool, options).query('select 1'))).toMatchObject({ code: 'ECONNREFUSED' });
    const pool = make(Pool, options);
    const error = await failure(pool.query('select 1'));
    expect(error).toBeInstanceOf(TenureUnreachableError);
    expect(error).toMatchObject({ code: 'TENURE_UNREACHABLE', cause: { code: 'ECONNREFUSED' } });
    expect(error.message).toContain('ECONNREFUSED');
    expect(pool.stats().openFailures).toBeGreaterThan(1);
  });

  it('a refusal is shared: callers within the next moment hear it without another connect', async () => {
    const attempts = async (PoolToTest: typeof pg.Pool | typeof Pool) => {
      const onConnect = vi.fn(() => {
        throw new Error('not this one');
      });
      const pool = make(PoolToTest as typeof pg.Pool, { onConnect });
      for (let n = 0; n < 5; n++) expect(await failure(pool.connect())).toMatchObject({ message: 'not this one' });
      return onConnect.mock.calls.length;
    };
    expect(await attempts(pg.Pool)).toBe(5);
    expect(await attempts(Pool)).toBe(1);
  });

  it('an idle client that expires is borrowed by nobody', async () => {
    const toldOnExpiry = async (pool: pg.Pool) => {
      await pidOf(pool);
      const told = record(pool);
      await expect.poll(() => pool.totalCount).toBe(0);
      await expect.poll(() => told.map(([event]) => event)).toContain('remove');
      return told.map(([event]) => event);
    };
    expect(await toldOnExpiry(make(pg.Pool, { maxLifetimeSeconds: 0.5 }))).toEqual(['acquire', 'release', 'remove']);
    expect(await toldOnExpiry(make(Pool, { maxLifetimeSeconds: 0.5 }))).toEqual(['remove']);
  });

  it('`min` clients are open from the start', async () => {
    const opened = async (pool: pg.Pool, applicationName: string) => [
      pool.totalCount,
      (await postgres.activity({ applicationName })).length,
    ];
    const stock = make(pg.Pool, { min: 2, application_name: 'min stock' });
    await sleep(300);
    expect(await opened(stock, 'min stock')).toEqual([0, 0]);
    const pool = make(Pool, { min: 2, application_name: 'min tenure' });
    await expect.poll(() => opened(pool, 'min tenure')).toEqual([2, 2]);
  });

  it('what is not set has the defaults of the policy, and `options` says so', () => {
    expect(new pg.Pool().options).toMatchObject({
      idleTimeoutMillis: 10_000,
      maxLifetimeSeconds: 0,
      allowExitOnIdle: false,
    });
    expect(new Pool().options).toMatchObject({
      idleTimeoutMillis: 600_000,
      maxLifetimeSeconds: 1_800,
      connectionTimeoutMillis: 30_000,
      allowExitOnIdle: true,
    });
  });

  it('the policy overrules the options', async () => {
    const pool = make(Pool, { max: 2, policy: { maxConnections: 1, maxAgeMs: 0 } });
    expect(pool.options).toMatchObject({ max: 1, maxUses: 1 });
    expect(pool.stats().policy.maxConnections).toMatchObject({ value: 1, source: { from: 'argument' } });
    expect(await pidOf(pool)).not.toBe(await pidOf(pool));
  });

  it('`end` lets those in line be served too', async () => {
    const inLine = async (pool: pg.Pool) => {
      const first = pool.query('select 1');
      const second = pool.query('select 1');
      const ended = pool.end();
      await first;
      await ended;
      return settlesWithin(300, second);
    };
    expect(await inLine(make(pg.Pool, { max: 1 }))).toBe(false);
    expect(await inLine(make(Pool, { max: 1 }))).toBe(true);
  });

  it('`drain` does not wait for those in line, and gives work a time limit', async () => {
    const pool = make(Pool, { max: 1 });
    const slow = failure(pool.query('select pg_sleep(20)'));
    await expect.poll(() => pool.stats().used).toBe(1);
    const waiting = failure(pool.query('select 1'));
    await pool.drain(100);
    expect(await waiting).toMatchObject({ code: 'TENURE_CLOSED' });
    expect((await slow).message).toContain('terminated');
    expect(pool).toMatchObject({ ending: true, ended: true, totalCount: 0 });
    await pool.end();
  });

  it('a submittable that calls nobody gives its client back', async () => {
    const isUsable = async (pool: pg.Pool, withinMs: number) => {
      const called = new Promise((resolve) => {
        const query = new pg.Query('select 1', (_error, result) => resolve(result.rows.length));
        (pool.query(query) as unknown as Promise<unknown>).catch(() => {});
      });
      expect(await called).toBe(1);
      return settlesWithin(withinMs, pool.query('select 1'));
    };
    expect(await isUsable(make(pg.Pool, { max: 1 }), 300)).toBe(false);
    expect(await isUsable(make(Pool, { max: 1 }), 10_000)).toBe(true);
  });

  it('so does a cursor', async () => {
    const pool = make(Pool, { max: 1 });
    const cursor = new Cursor('select n from generate_series(1, 5) n');
    const through = pool.query(cursor) as unknown as Promise<unknown>;
    await expect.poll(() => pool.stats().used).toBe(1);
    expect(await cursor.read(2)).toHaveLength(2);
    expect(pool.stats().used).toBe(1);
    await cursor.close();
    await through;
    expect(await pidOf(pool)).toBeGreaterThan(0);
    expect(pool.stats().opened).toBe(1);
  });

  it('and one that fails tells so', async () => {
    const pool = make(Pool, { max: 1 });
    const cursor = new Cursor('select nothing');
    const through = pool.query(cursor) as unknown as Promise<unknown>;
    expect(await failure(cursor.read(1))).toMatchObject({ code: '42703' });
    await through;
    expect(await pidOf(pool)).toBeGreaterThan(0);
    expect(pool.stats().opened).toBe(1);
  });

  it('the error of an idle client does not show the client, with its password, when it is printed', async () => {
    const printed = async (pool: pg.Pool, applicationName: string) => {
      await pool.query('select 1');
      const error = new Promise<Error>((resolve) => pool.on('error', resolve));
      await postgres.terminateBackends({ applicationName });
      return Object.keys(await error);
    };
    expect(await printed(make(pg.Pool, { application_name: 'printed' }), 'printed')).toContain('client');
    expect(await printed(make(Pool, { application_name: 'silent' }), 'silent')).not.toContain('client');
  });
});

describe('What Tenure adds', () => {
  it('stats and connections', async () => {
    const pool = make(Pool, { max: 3 });
    const client = await pool.connect();
    const pid = await pidOf(client);
    expect(pool.stats()).toMatchObject({ used: 1, idle: 0, max: 3, acquired: 1, opened: 1 });
    expect(pool.connections()).toMatchObject([{ processId: pid, state: 'used', uses: 1 }]);
    client.release();
    expect(pool.connections()).toMatchObject([{ processId: pid, state: 'idle', status: 'idle' }]);
  });

  it('invalidate, which replaces every connection', async () => {
    const pool = make(Pool, { max: 1 });
    const client = await pool.connect();
    const pid = await pidOf(client);
    pool.invalidate();
    expect(await pidOf(client)).toBe(pid);
    client.release();
    expect(await pidOf(pool)).not.toBe(pid);
    expect(pool.stats().closed.invalidated).toBe(1);
  });

  it('a reset of the session, after which onConnect runs again', async () => {
    const onConnect = vi.fn(async (client: pg.ClientBase) => {
      await client.query(`set application_name = 'set up'`);
    });
    const pool = make(Pool, { max: 1, onConnect, policy: { reset: 'session' } });
    await pool.query(`set application_name = 'changed'; set work_mem = 123456`);
    const { rows } = await pool.query(
      `select current_setting('application_name') as name, current_setting('work_mem') as mem`,
    );
    expect(rows).toEqual([{ name: 'set up', mem: '4MB' }]);
    expect(onConnect).toHaveBeenCalledTimes(2);
    expect(pool.stats().opened).toBe(1);
  });

  it('leaves the lists of pg-pool empty', async () => {
    const pool = make(Pool, { max: 2 });
    await Promise.all(Array.from({ length: 5 }, () => pool.query('select 1')));
    const waiting = Array.from({ length: 5 }, () => pool.connect());
    expect(pool).toMatchObject({ _clients: [], _idle: [], _pendingQueue: [] });
    for (const client of waiting) (await client).release();
  });
});

/** Ends the sessions of that name in another process, and returns when they are gone. */
function killFromOutside(applicationName: string): void {
  const script = `
    const pg = require('pg');
    const client = new pg.Client(process.argv[1]);
    client.connect()
      .then(() => client.query('select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = $1', [process.argv[2]]))
      .then(() => client.end());`;
  execFileSync(process.execPath, ['-e', script, postgres.superuserUrl, applicationName], { cwd: import.meta.dirname });
}

describe('A pool that is printed', () => {
  it('does not show its connection string, which stays in its options', async () => {
    const pool = new Pool({ connectionString: 'postgres://me:hunter2@db/app' });
    expect(inspect(pool, { depth: 6 })).not.toContain('hunter2');
    expect(JSON.stringify(pool)).not.toContain('hunter2');
    expect({ ...pool.options }).toMatchObject({ connectionString: 'postgres://me:hunter2@db/app' });
    await pool.end();
  });
});
