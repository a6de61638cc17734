import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { Pool } from '@tenure/core/pg';
import { Kysely, PostgresDialect, sql } from 'kysely';
import pg from 'pg';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';
import { CLASSES, type PoolClass, pidOf, sleep, usePools } from '../pgPool/support.js';

const postgres = await usePostgres();
const make = usePools(postgres);

let tests = 0;
/** Settings that no other test has. */
const own = (max = 3): pg.PoolConfig => ({ application_name: `places ${++tests}`, max });
const backends = async ({ application_name: applicationName }: pg.PoolConfig) =>
  (await postgres.activity({ applicationName: applicationName! })).map(({ pid }) => pid);

await postgres.admin('create table audit (entry text); grant all on audit to app');

describe.each(CLASSES)('%s: two pools with the same settings, made in two places', (_, Class: PoolClass) => {
  it.for([1, 2])('serve each other’s work: one of %i is for locks and one for what is done under them', async (max) => {
    const settings = own(max);
    const locks = make(Class, settings);
    const work = make(Class, settings);
    const jobs = Array.from({ length: max * 3 }, async (_, job) => {
      const lock = await locks.connect();
      await lock.query('select pg_advisory_lock($1)', [1_000 + job]);
      const { rows } = await work.query('select $1::int as job', [job]);
      await lock.query('select pg_advisory_unlock($1)', [1_000 + job]);
      lock.release();
      return rows[0];
    });
    expect(await Promise.all(jobs)).toEqual(jobs.map((_, job) => ({ job })));
  });

  it('are apart however late the second is made, and however it is made', async () => {
    const settings = own(1);
    const makePool = async () => {
      await sleep(1);
      return make(Class, settings);
    };
    const locks = await makePool();
    const lock = await locks.connect();
    const work = await makePool();
    expect((await work.query('select 1 as served')).rows).toEqual([{ served: 1 }]);
    lock.release();
  });

  it('are apart when a loop makes them', async () => {
    const settings = own(2);
    const pools = [];
    for (const role of ['locks', 'work']) pools.push({ role, pool: make(Class, settings) });
    const [locks, work] = pools.map(({ pool }) => pool) as [pg.Pool, pg.Pool];
    const held = await Promise.all([locks.connect(), locks.connect()]);
    expect((await work.query('select 1 as served')).rows).toEqual([{ served: 1 }]);
    for (const client of held) client.release();
  });

  it('copy from one into the other', async () => {
    const settings = own(1);
    const from = make(Class, settings);
    const into = make(Class, settings);
    const { default: QueryStream } = await import('pg-query-stream');
    const source = await from.connect();
    const rows = source.query(new QueryStream('select n from generate_series(1, 120) n'));
    let copied = 0;
    await pipeline(rows, async (all) => {
      for await (const { n } of all) {
        await into.query('insert into audit values ($1)', [`copy ${n}`]);
        copied++;
      }
    });
    source.release();
    expect(copied).toBe(120);
  });

  it('write an audit through the one while a transaction of the other fails', async () => {
    const settings = own(1);
    const main = make(Class, settings);
    const audit = make(Class, settings);
    const client = await main.connect();
    await client.query('begin');
    await audit.query(`insert into audit values ('tried')`);
    await client.query('rollback');
    client.release();
    expect((await main.query(`select count(*)::int as n from audit where entry = 'tried'`)).rows).toEqual([
      { n: Class === pg.Pool ? 1 : 2 },
    ]);
  });

  it('are sessions of their own, with one connection each: settings, temporary tables, locks, listeners', async () => {
    const settings = own(1);
    const leader = make(Class, settings);
    const other = make(Class, settings);
    await leader.query(`set application.role = 'leader'; create temporary table mine (id int); listen news`);
    await leader.query('select pg_advisory_lock(7)');
    for (let turn = 0; turn < 3; turn++) await other.query('select 1');
    const { rows } =
      await leader.query(`select current_setting('application.role') as role, to_regclass('mine') is not null
      as has_table, (select count(*)::int from pg_locks where pid = pg_backend_pid() and locktype = 'advisory') as locks,
      (select count(*)::int from pg_listening_channels()) as channels`);
    expect(rows).toEqual([{ role: 'leader', has_table: true, locks: 1, channels: 1 }]);
    await leader.query('select pg_advisory_unlock(7)');
  });
});

describe('Pools that are made over and over at one place', () => {
  it('hold one connection when they are used one after the other, though none is ended', async () => {
    const settings = own();
    for (let n = 0; n < 30; n++) await make(Pool, settings).query('select 1');
    expect(await backends(settings)).toHaveLength(1);
  });

  it('hold no more connections than one pool, as a server makes one for each request', async () => {
    const settings = own(4);
    const serve = async (n: number) => {
      const pool = make(Pool, settings);
      const { rows } = await pool.query('select $1::int as n, pg_sleep(0.01)', [n]);
      return rows[0].n;
    };
    const server = createServer(async (request, response) => {
      response.end(String(await serve(Number(request.url!.slice(1)))));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    let most = 0;
    let isOver = false;
    const watching = (async () => {
      while (!isOver) most = Math.max(most, (await backends(settings)).length);
    })();
    const answers = await Promise.all(
      Array.from({ length: 60 }, async (_, n) => (await fetch(`http://127.0.0.1:${port}/${n}`)).text()),
    );
    isOver = true;
    await watching;
    expect(answers).toEqual(answers.map((_, n) => String(n)));
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(4);
  });

  it('never give one of them a client that another has had', async () => {
    const settings = own(2);
    const seen = new Map<pg.PoolClient, pg.Pool>();
    const makePool = () => make(Pool, settings);
    const pools: pg.Pool[] = [];
    for (let n = 0; n < 4; n++) {
      pools.push(makePool());
      await sleep(1);
    }
    for (let turn = 0; turn < 20; turn++) {
      const pool = pools[turn % 4]!;
      const client = await pool.connect();
      expect(seen.get(client) ?? pool).toBe(pool);
      if (!seen.has(client)) {
        expect(Object.hasOwn(client, 'mark')).toBe(false);
        Object.assign(client, { mark: pool });
        client.setTypeParser(23, () => `parsed by ${pools.indexOf(pool)}`);
        client.on('notice', () => {});
        seen.set(client, pool);
      }
      const { rows } = await client.query('select 1 as n');
      expect(rows).toEqual([{ n: `parsed by ${pools.indexOf(pool)}` }]);
      client.release();
    }
    expect((pools[0] as Pool).stats().owners).toBe(4);
    expect(await backends(settings)).toHaveLength(2);
  });

  it('have every session set up by what sets a client up at its first use', async () => {
    const settings = own(2);
    const open = () => {
      const pool = make(Pool, settings);
      const onCreateConnection = async (connection: { executeQuery: (query: never) => unknown }) => {
        await connection.executeQuery(sql`set application.tenant = 'mine'`.compile(db) as never);
      };
      const db = new Kysely<object>({ dialect: new PostgresDialect({ pool, onCreateConnection }) });
      return db;
    };
    const dbs: Kysely<object>[] = [];
    for (let n = 0; n < 5; n++) {
      dbs.push(open());
      await sleep(1);
    }
    for (let turn = 0; turn < 30; turn++) {
      const { rows } = await sql`select current_setting('application.tenant', true) as tenant`.execute(dbs[turn % 5]!);
      expect(rows).toEqual([{ tenant: 'mine' }]);
    }
    expect((await backends(settings)).length).toBeLessThanOrEqual(2);
  });

  it('have their own set-up, listeners and passwords, whatever those of the others', async () => {
    const settings = own(2);
    const heard: number[] = [];
    const open = (n: number) => {
      const pool = make(Pool, {
        ...settings,
        onConnect: (client: pg.ClientBase) => client.query(`set work_mem = '${n}MB'`),
      } as never);
      pool.on('connect', () => heard.push(n));
      return pool;
    };
    const pools = [];
    for (const n of [5, 6, 7]) {
      pools.push({ n, pool: open(n) });
      await sleep(1);
    }
    for (let turn = 0; turn < 3; turn++) {
      for (const { n, pool } of pools)
        expect((await pool.query('show work_mem')).rows).toEqual([{ work_mem: `${n}MB` }]);
    }
    expect(new Set(heard)).toEqual(new Set([5, 6, 7]));
    expect((await backends(settings)).length).toBeLessThanOrEqual(2);
  });

  it('keep their connections when two of them take turns', async () => {
    const settings = own(4);
    const pools: Pool[] = [];
    for (let n = 0; n < 2; n++) {
      pools.push(make(Pool, settings) as Pool);
      await sleep(1);
    }
    for (let turn = 0; turn < 50; turn++) for (const pool of pools) await pool.query('select 1');
    expect(pools.map((pool) => pool.stats().opened)).toEqual([2, 1]);
    expect(pools.map((pool) => pool.stats().owners)).toEqual([2, 2]);
  });

  it('do not wait for each other for good: where all of one wait for the other, they have limits of their own', async () => {
    const settings = own(2);
    const pools: pg.Pool[] = [];
    for (const role of ['locks', 'work']) {
      pools.push(make(Pool, settings));
      await pools.at(-1)!.query('select $1::text', [role]);
    }
    const [locks, work] = pools as [pg.Pool, pg.Pool];
    const jobs = [1, 2].map(async (job) => {
      const lock = await locks.connect();
      await lock.query('select pg_advisory_lock($1)', [2_000 + job]);
      await sleep(50);
      const { rows } = await work.query('select $1::int as job', [job]);
      await lock.query('select pg_advisory_unlock_all()');
      lock.release();
      return rows[0].job;
    });
    expect(await Promise.all(jobs)).toEqual([1, 2]);
  });

  it('go on when one of them ends', async () => {
    const settings = own(2);
    const pools: Pool[] = [];
    for (let n = 0; n < 3; n++) {
      pools.push(make(Pool, settings) as Pool);
      await sleep(1);
    }
    const [first, second, third] = pools as [Pool, Pool, Pool];
    const held = await first.connect();
    await second.query('select 1');
    const removed = vi.fn();
    second.on('remove', removed);
    const ended = first.end();
    await second.end();
    expect(removed).toHaveBeenCalledTimes(1);
    held.release();
    await ended;
    expect(await pidOf(third)).toBeGreaterThan(0);
    expect(third.stats()).toMatchObject({ owners: 1, used: 0 });
    await third.end();
    await expect.poll(() => backends(settings)).toEqual([]);
  });
});

describe('Pools made at one place have nothing in common', () => {
  const use = async (settings: pg.PoolConfig, prepare: (n: number) => pg.PoolConfig) => {
    const pools: Pool[] = [];
    for (let n = 0; n < 4; n++) {
      const pool = make(Pool, { ...settings, ...prepare(n) }) as Pool;
      pools.push(pool);
      await pool.query('select 1');
    }
    expect(pools.map((pool) => pool.stats().owners)).toEqual([1, 1, 1, 1]);
  };

  it('with CONN_SHARE=none', async () => {
    vi.stubEnv('CONN_SHARE', 'none');
    onTestFinished(() => void vi.unstubAllEnvs());
    const settings = own();
    await use(settings, () => ({}));
    expect(await backends(settings)).toHaveLength(4);
  });

  it.for<[string, (n: number) => pg.PoolConfig]>([
    ['when each has a single connection, which is a session to its app', () => ({ max: 1 })],
    ['when each has a target of its own', (n) => ({ application_name: `target ${n}` })],
    ['when each has a limit of its own', (n) => ({ max: 3 + n })],
    ['when each has a name of its own', (n) => ({ policy: { name: `pool${n}` } }) as pg.PoolConfig],
    ['when their clients are of another class', () => ({ Client: class extends pg.Client {} }) as pg.PoolConfig],
  ])('%s', async ([, prepare]) => {
    await use(own(), prepare);
  });

  it('when the app has turned stack traces off', async () => {
    const { stackTraceLimit } = Error;
    onTestFinished(() => void Object.assign(Error, { stackTraceLimit }));
    Error.stackTraceLimit = 0;
    await use(own(), () => ({}));
  });
});

describe('With CONN_SHARE=target', () => {
  it('pools with the same target and settings have one limit, wherever they are made', async () => {
    vi.stubEnv('CONN_SHARE', 'target');
    onTestFinished(() => void vi.unstubAllEnvs());
    const settings = own(2);
    const one = make(Pool, settings) as Pool;
    const other = make(Pool, settings) as Pool;
    await one.query('select 1');
    await other.query('select 1');
    expect(await backends(settings)).toHaveLength(1);
    expect([one.stats().owners, other.stats().owners]).toEqual([2, 2]);
    const held = await Promise.all([one.connect(), one.connect()]);
    const late = other.query('select 1 as served');
    await sleep(50);
    expect(await backends(settings)).toHaveLength(2);
    for (const client of held) client.release();
    expect((await late).rows).toEqual([{ served: 1 }]);
  });
});

describe('A pool whose options change', () => {
  it('connects with those of the moment, and leaves the limit of the others when it is for another target', async () => {
    const settings = own(2);
    const pools: Pool[] = [];
    for (let n = 0; n < 2; n++) {
      pools.push(make(Pool, settings) as Pool);
      await sleep(1);
    }
    const [one, other] = pools as [Pool, Pool];
    await one.query('select 1');
    await other.query('select 1');
    Object.assign(other.options, { application_name: 'elsewhere' });
    other.invalidate();
    expect((await other.query('show application_name')).rows).toEqual([{ application_name: 'elsewhere' }]);
    expect((await one.query('show application_name')).rows).toEqual([{ application_name: settings.application_name }]);
    expect([one.stats().owners, other.stats().owners]).toEqual([1, 1]);
  });
});
