import pg from 'pg';
import Cursor from 'pg-cursor';
import QueryStream from 'pg-query-stream';
import { describe, expect, it, vi } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';
import { failure } from '../session/support.js';
import { CLASSES, pidOf, record, settlesWithin, sleep, usePools } from './support.js';

const postgres = await usePostgres();
const make = usePools(postgres);

/** The documented behaviour of pg-pool, and what its users rely on, case by case, with its own class and with Tenure's. */
describe.each(CLASSES)('%s', (_name, PoolToTest) => {
  describe('made', () => {
    it('is a pg.Pool, and so are the pools of its subclasses', () => {
      class Own extends PoolToTest {
        hello() {
          return this.totalCount;
        }
      }
      const pool = new Own();
      expect(pool).toBeInstanceOf(pg.Pool);
      expect(pool).toBeInstanceOf(PoolToTest);
      expect(pool.hello()).toBe(0);
    });

    it('has the class name by which libraries recognise a pool', () => {
      expect(make(PoolToTest).constructor.name).toBe(pg.Pool.name);
      class Own extends PoolToTest {}
      expect(make(Own).constructor.name).toBe('Own');
    });

    it('opens nothing before it is needed', async () => {
      const pool = make(PoolToTest, { application_name: 'unused' });
      await sleep(50);
      expect(pool).toMatchObject({ totalCount: 0, idleCount: 0, waitingCount: 0, expiredCount: 0 });
      expect(pool).toMatchObject({ ending: false, ended: false });
      expect(await postgres.activity({ applicationName: 'unused' })).toEqual([]);
    });

    it.each([
      [{}, { max: 10, min: 0, maxUses: Number.POSITIVE_INFINITY }],
      [
        { max: 3, min: 1 },
        { max: 3, min: 1 },
      ],
      [{ max: 0 }, { max: 10 }],
      [{ poolSize: 4 }, { max: 4 }],
      [{ maxUses: 7 }, { maxUses: 7 }],
      [{ maxUses: 0 }, { maxUses: Number.POSITIVE_INFINITY }],
      [{ maxLifetimeSeconds: 0 }, { maxLifetimeSeconds: 0 }],
      [{ maxLifetimeSeconds: 60 }, { maxLifetimeSeconds: 60 }],
      [{ idleTimeoutMillis: 0 }, { idleTimeoutMillis: 0 }],
      [{ idleTimeoutMillis: 5_000 }, { idleTimeoutMillis: 5_000 }],
      [{ connectionTimeoutMillis: 2_000 }, { connectionTimeoutMillis: 2_000 }],
      [{ connectionTimeoutMillis: 0 }, { connectionTimeoutMillis: 0 }],
      [{ allowExitOnIdle: true }, { allowExitOnIdle: true }],
      [{ allowExitOnIdle: false }, { allowExitOnIdle: false }],
      [
        { host: 'db', application_name: 'shop' },
        { host: 'db', application_name: 'shop' },
      ],
    ] as [pg.PoolConfig, object][])('with %j has the options %j', (given, options) => {
      expect(new PoolToTest(given).options).toMatchObject(options);
    });

    it('leaves the options that it was given as they are', () => {
      const given = { max: 3, password: 'hunter2' };
      new PoolToTest(given);
      expect(given).toEqual({ max: 3, password: 'hunter2' });
    });

    it('keeps the password and the TLS key out of sight', () => {
      const { options } = new PoolToTest({ password: 'hunter2', ssl: { key: 'secret' } });
      expect(options.password).toBe('hunter2');
      expect(Object.keys(options)).not.toContain('password');
      expect(JSON.stringify(options)).not.toMatch(/hunter2|secret/);
    });

    it('has the classes and the log that it was given', () => {
      class Client extends pg.Client {}
      class Chosen<T> extends Promise<T> {}
      const log = () => {};
      expect(new PoolToTest({ Client, Promise: Chosen, log } as never)).toMatchObject({ Client, Promise: Chosen, log });
      expect(new PoolToTest()).toMatchObject({ Client: pg.Client, Promise, log: expect.any(Function) });
    });
  });

  describe('connects', () => {
    it('with the options of a client', async () => {
      const { host, port, user, password, database } = postgres;
      const options = { connectionString: '', host, port, user, password, database, application_name: 'shop' };
      const pool = make(PoolToTest, { ...options, options: '-c work_mem=8MB', statement_timeout: 12_345 });
      const { rows } = await pool.query(
        `select current_setting('application_name') as name, current_setting('work_mem') as mem, current_setting('statement_timeout') as t`,
      );
      expect(rows).toEqual([{ name: 'shop', mem: '8MB', t: '12345ms' }]);
    });

    it('with the hidden password of the options of another pool', async () => {
      const { host, port, user, password, database } = postgres;
      const other = new PoolToTest({ host, port, user, password, database });
      const pool = new PoolToTest(other.options);
      expect(await pidOf(pool)).toBeGreaterThan(0);
      await pool.end();
    });

    it('with a password function, asked for each connection', async () => {
      const { host, port, user, database } = postgres;
      const password = vi.fn(async () => postgres.password);
      const pool = make(PoolToTest, { connectionString: '', host, port, user, database, password });
      const clients = [await pool.connect(), await pool.connect()];
      expect(password).toHaveBeenCalledTimes(2);
      for (const client of clients) client.release();
    });

    it('with the password that is in its options by then', async () => {
      const { host, port, user, database, password } = postgres;
      const pool = make(PoolToTest, { connectionString: '', host, port, user, database, password: 'old' });
      pool.options.password = password;
      expect(await pidOf(pool)).toBeGreaterThan(0);
    });

    it('with the class of clients that it was given', async () => {
      class Client extends pg.Client {}
      const pool = make(PoolToTest, { Client } as never);
      const client = await pool.connect();
      expect(client).toBeInstanceOf(Client);
      client.release();
    });

    it('and resolves to a client, or calls back with one and its release', async () => {
      const pool = make(PoolToTest);
      const client = await pool.connect();
      client.release();
      const again = await new Promise<pg.PoolClient>((resolve, reject) => {
        const returned = pool.connect((error, called, release) => {
          if (error || !called) return reject(error);
          expect(release).toBe(called.release);
          release();
          resolve(called);
        });
        expect(returned).toBeUndefined();
      });
      expect(again).toBe(client);
    });

    it.each([
      ['28P01', { password: 'wrong' }],
      ['3D000', { database: 'nowhere' }],
      ['28P01', { user: 'nobody' }],
    ])('or passes on that PostgreSQL says %s', async (code, wrong) => {
      const { host, port, user, password, database } = postgres;
      const pool = make(PoolToTest, { connectionString: '', host, port, user, password, database, ...wrong });
      const error = await failure(pool.connect());
      expect(error).toMatchObject({ code });
      expect(error).toBeInstanceOf(pg.DatabaseError);
      expect(await failure(pool.query('select 1'))).toMatchObject({ code });
      const args = await new Promise<unknown[]>((resolve) => pool.connect((...called) => resolve(called)));
      expect(args).toEqual([expect.objectContaining({ code }), undefined, expect.any(Function)]);
      (args[2] as () => void)();
      expect(pool.totalCount).toBe(0);
    });
  });

  describe('runs a query', () => {
    const rows = [{ n: 1 }];

    it.each([
      ['text', ['select 1 as n'], { rows }],
      ['text and values', ['select $1::int as n', [1]], { rows }],
      ['a config', [{ text: 'select $1::int as n', values: [1] }], { rows }],
      ['a config and values', [{ text: 'select $1::int as n' }, [1]], { rows }],
      ['a named statement', [{ name: 'one', text: 'select 1 as n' }], { rows }],
      ['rows as arrays', [{ text: 'select 1 as n', rowMode: 'array' }], { rows: [[1]] }],
      ['several statements', ['select 1 as n; select 1 as n'], [{ rows }, { rows }]],
      ['an empty text', [''], { rows: [] }],
    ] as [string, [never, never], object][])('of %s', async (_form, args, expected) => {
      const pool = make(PoolToTest);
      expect(await pool.query(...args)).toMatchObject(expected);
      const [query, ...values] = args;
      const called = await new Promise<unknown[]>((resolve) => {
        const callback = (...outcome: unknown[]) => resolve(outcome);
        expect(pool.query(query, ...(values as [never]), callback as never)).toBeUndefined();
      });
      expect(called).toEqual([undefined, expect.anything()]);
      expect(called[1]).toMatchObject(expected);
      expect(pool).toMatchObject({ totalCount: 1, idleCount: 1 });
    });

    it('that fails, and rejects or calls back with the error of PostgreSQL', async () => {
      const pool = make(PoolToTest);
      const error = await failure(pool.query('select nothing'));
      expect(error).toBeInstanceOf(pg.DatabaseError);
      expect(error).toMatchObject({ code: '42703', position: '8' });
      const called = await new Promise<unknown[]>((resolve) => {
        pool.query('select $1::int', ['one'], (...outcome) => resolve(outcome));
      });
      expect(called).toEqual([expect.objectContaining({ code: '22P02' })]);
    });

    it.each([[undefined], [null]])('but not %s', async (nothing) => {
      const pool = make(PoolToTest);
      expect(await failure(pool.query(nothing as never))).toBeInstanceOf(TypeError);
      expect(await pidOf(pool)).toBeGreaterThan(0);
    });

    it('but not a function', async () => {
      const pool = make(PoolToTest);
      const error = await new Promise<unknown>((resolve) => void pool.query(resolve as never));
      expect(error).toMatchObject({
        message: 'Passing a function as the first parameter to pool.query is not supported',
      });
    });

    it('and the stack of its error leads to whoever awaits', async () => {
      const pool = make(PoolToTest);
      async function loadOrders() {
        await pool.query('select nothing');
      }
      async function takeClient() {
        await make(PoolToTest, { connectionString: `${postgres.url}x` }).connect();
      }
      expect((await failure(loadOrders())).stack).toMatch(/column "nothing" does not exist(.|\n)*loadOrders/);
      expect((await failure(takeClient())).stack).toContain('takeClient');
    });

    it('with the `query_timeout` of its options', async () => {
      const pool = make(PoolToTest, { query_timeout: 50 });
      for (let n = 0; n < 2; n++) {
        expect(await failure(pool.query('select pg_sleep(1)'))).toMatchObject({ message: 'Query read timeout' });
      }
    });

    it('of a submittable', async () => {
      const pool = make(PoolToTest);
      expect(await pool.query(new pg.Query('select 1 as n'))).toMatchObject({ rows });
      expect(pool.idleCount).toBe(1);
    });

    it('of a stream', async () => {
      const pool = make(PoolToTest);
      const stream = new QueryStream('select n from generate_series(1, 250) n');
      const done = pool.query(stream);
      let read = 0;
      for await (const _row of stream) read++;
      await done;
      expect(read).toBe(250);
      expect(pool.idleCount).toBe(1);
    });
  });

  describe('lends a client', () => {
    it('that runs cursors and streams', async () => {
      const pool = make(PoolToTest);
      const client = await pool.connect();
      const cursor = client.query(new Cursor('select n from generate_series(1, 5) n'));
      expect(await cursor.read(2)).toEqual([{ n: 1 }, { n: 2 }]);
      await cursor.close();
      const all: unknown[] = [];
      for await (const row of client.query(new QueryStream('select n from generate_series(1, 3) n'))) all.push(row);
      expect(all).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
      client.release();
      expect(await pidOf(pool)).toBeGreaterThan(0);
      expect(pool.totalCount).toBe(1);
    });

    it('again, once it has been released', async () => {
      const pool = make(PoolToTest, { max: 1 });
      const client = await pool.connect();
      const next = pool.connect();
      expect(await settlesWithin(50, next)).toBe(false);
      client.release();
      expect(await next).toBe(client);
      client.release();
    });

    it('to one caller after the other, in the order in which they asked', async () => {
      const pool = make(PoolToTest, { max: 1 });
      const order: number[] = [];
      const callers = [1, 2, 3, 4].map((n) => pool.query('select 1').then(() => order.push(n)));
      await Promise.all(callers);
      expect(order).toEqual([1, 2, 3, 4]);
    });

    it('and throws when it is released twice', async () => {
      const pool = make(PoolToTest);
      const text = 'Release called on client which has already been released to the pool.';
      const client = await pool.connect();
      const { release } = client;
      client.release();
      expect(() => client.release()).toThrow(text);
      const again = await pool.connect();
      expect(again).toBe(client);
      expect(() => release()).toThrow(text);
      again.release();
    });

    it.each([[true], ['broken'], [1]])('and closes it on release(%j)', async (order) => {
      const pool = make(PoolToTest);
      const client = await pool.connect();
      const pid = await pidOf(client);
      client.release(order as boolean);
      expect(pool.idleCount).toBe(0);
      expect(await pidOf(pool)).not.toBe(pid);
      await expect.poll(() => postgres.activity({ pid })).toEqual([]);
      expect(pool.totalCount).toBe(1);
    });

    it.each([[undefined], [null], [false], [0], ['']])('and keeps it on release(%j)', async (nothing) => {
      const pool = make(PoolToTest);
      const client = await pool.connect();
      const pid = await pidOf(client);
      client.release(nothing as never);
      expect(await pidOf(pool)).toBe(pid);
    });

    it('and closes one that the app itself has ended', async () => {
      const pool = make(PoolToTest);
      const told = record(pool);
      const client = await pool.connect();
      await client.end();
      client.release();
      await expect.poll(() => pool.totalCount).toBe(0);
      expect(told).toEqual([
        ['connect', 'client 1'],
        ['acquire', 'client 1'],
        ['release', undefined, 'client 1'],
        ['remove', 'client 1'],
      ]);
      expect(await pidOf(pool)).toBeGreaterThan(0);
    });
  });

  describe('counts', () => {
    it('its clients, the idle ones, and the callers in line', async () => {
      const pool = make(PoolToTest, { max: 2 });
      const first = pool.connect();
      expect(pool).toMatchObject({ totalCount: 1, idleCount: 0, waitingCount: 0 });
      const one = await first;
      const two = await pool.connect();
      expect(pool).toMatchObject({ totalCount: 2, idleCount: 0, waitingCount: 0 });
      const waiting = [pool.connect(), pool.connect(), pool.connect()];
      expect(pool).toMatchObject({ totalCount: 2, idleCount: 0, waitingCount: 3 });
      one.release();
      (await waiting[0])!.release();
      (await waiting[1])!.release();
      (await waiting[2])!.release();
      two.release();
      expect(pool).toMatchObject({ totalCount: 2, idleCount: 2, waitingCount: 0 });
    });

    it('nobody as waiting who only waits for a connect', () => {
      const pool = make(PoolToTest, { max: 3 });
      for (let n = 0; n < 5; n++) pool.query('select 1').catch(() => {});
      expect(pool.waitingCount).toBe(2);
    });
  });

  describe('tells', () => {
    it('connect, acquire, release and remove, in this order, with the client', async () => {
      const pool = make(PoolToTest);
      const told = record(pool);
      const client = await pool.connect();
      client.release();
      await pool.query('select 1');
      (await pool.connect()).release(true);
      await expect.poll(() => told.length).toBe(8);
      expect(told).toEqual([
        ['connect', 'client 1'],
        ['acquire', 'client 1'],
        ['release', undefined, 'client 1'],
        ['acquire', 'client 1'],
        ['release', expect.toSatisfy((error) => !error), 'client 1'],
        ['acquire', 'client 1'],
        ['release', true, 'client 1'],
        ['remove', 'client 1'],
      ]);
    });

    it('release with the error', async () => {
      const pool = make(PoolToTest);
      const told = record(pool);
      const error = new Error('mine');
      (await pool.connect()).release(error);
      const failed = await failure(pool.query('select nothing'));
      const releases = told.filter(([event]) => event === 'release');
      expect(releases.map(([, given]) => given)).toEqual([error, failed]);
    });

    it('remove of every client when it ends', async () => {
      const pool = make(PoolToTest);
      const told = record(pool);
      const clients = [await pool.connect(), await pool.connect()];
      for (const client of clients) client.release();
      await pool.end();
      await expect.poll(() => told.filter(([event]) => event === 'remove')).toHaveLength(2);
    });

    it('connect before anyone has the client, and what a listener sends goes first', async () => {
      const pool = make(PoolToTest);
      pool.on('connect', (client) => {
        client.query(`set application_name = 'by listener'`).catch(() => {});
      });
      const { rows } = await pool.query(`select current_setting('application_name') as name`);
      expect(rows).toEqual([{ name: 'by listener' }]);
    });

    it('error when an idle client is lost, with the error and the client, and removes it', async () => {
      const pool = make(PoolToTest, { application_name: 'idle' });
      const client = await pool.connect();
      client.release();
      const told = record(pool);
      await postgres.terminateBackends({ applicationName: 'idle' });
      await expect.poll(() => told.length).toBe(2);
      expect(told.map(([event]) => event)).toEqual(['error', 'remove']);
      const [, error, lost] = told[0] as [string, Error & { client: unknown }, unknown];
      expect(error).toMatchObject({ code: '57P01' });
      expect(error.client).toBe(client);
      expect(lost).toBe('client 1');
      expect(pool.totalCount).toBe(0);
      expect(await pidOf(pool)).toBeGreaterThan(0);
    });

    it('error with the words of pg when a client came back after the error that ended its session', async () => {
      const pool = make(PoolToTest, { application_name: 'killed' });
      const error = new Promise<Error>((resolve) => pool.on('error', resolve));
      const client = await pool.connect();
      const killed = failure(client.query('select pg_terminate_backend(pg_backend_pid()), pg_sleep(5)'));
      expect(await killed).toMatchObject({ code: '57P01' });
      client.release();
      expect(await error).toMatchObject({ message: 'Connection terminated unexpectedly', client });
    });

    it('nothing itself when a client is lost that someone has: the client tells', async () => {
      const pool = make(PoolToTest, { application_name: 'held' });
      const client = await pool.connect();
      const told = record(pool);
      const heard = new Promise((resolve) => client.on('error', resolve));
      await postgres.terminateBackends({ applicationName: 'held' });
      expect(await heard).toBeInstanceOf(Error);
      client.release();
      await expect.poll(() => pool.totalCount).toBe(0);
      expect(told).toEqual([
        ['release', undefined, 'client 1'],
        ['remove', 'client 1'],
      ]);
    });

    it('its log what it does', async () => {
      const log = vi.fn();
      const pool = make(PoolToTest, { log });
      await pidOf(pool);
      expect(log).toHaveBeenCalledWith('connecting new client');
      expect(log).toHaveBeenCalledWith('new client connected');
    });
  });

  describe('sets clients up', () => {
    it.each([
      ['onConnect that returns nothing', (client: pg.ClientBase) => void client.query('set work_mem = 123456')],
      [
        'onConnect that returns a promise',
        async (client: pg.ClientBase) => {
          await sleep(20);
          await client.query('set work_mem = 123456');
        },
      ],
    ])('with %s', async (_form, onConnect) => {
      const hook = vi.fn(onConnect);
      const pool = make(PoolToTest, { onConnect: hook, max: 1 });
      const query = () => pool.query(`select current_setting('work_mem') as mem`);
      expect((await query()).rows).toEqual([{ mem: '123456kB' }]);
      expect((await query()).rows).toEqual([{ mem: '123456kB' }]);
      expect(hook).toHaveBeenCalledTimes(1);
    });

    it('with onConnect before it tells connect', async () => {
      const order: string[] = [];
      const pool = make(PoolToTest, {
        onConnect: async () => {
          await sleep(5);
          order.push('onConnect');
        },
      });
      pool.on('connect', () => order.push('connect'));
      await pidOf(pool);
      expect(order).toEqual(['onConnect', 'connect']);
    });

    it.each([
      ['throws', () => fail()],
      ['rejects', async () => fail()],
    ])('or rejects when onConnect %s', async (_how, onConnect) => {
      const pool = make(PoolToTest, { onConnect });
      expect(await failure(pool.connect())).toMatchObject({ message: 'not this one' });
      expect(await failure(pool.query('select 1'))).toMatchObject({ message: 'not this one' });
      await expect.poll(() => pool.totalCount).toBe(0);
    });

    it('or rejects with the error of the query of onConnect', async () => {
      const pool = make(PoolToTest, { onConnect: (client) => client.query('select nothing') as never });
      expect(await failure(pool.connect())).toMatchObject({ code: '42703' });
    });

    it('after verify has accepted them, once', async () => {
      const verify = vi.fn((client: pg.PoolClient, done: (error?: Error) => void) => {
        void client.query('select 1', (error) => done(error ?? undefined));
      });
      const pool = make(PoolToTest, { verify, max: 1 });
      await pidOf(pool);
      await pidOf(pool);
      expect(verify).toHaveBeenCalledTimes(1);
    });

    it('or rejects with the error of verify', async () => {
      const pool = make(PoolToTest, { verify: (_client, done) => done(new Error('not this one')) });
      expect(await failure(pool.connect())).toMatchObject({ message: 'not this one' });
      await expect.poll(() => pool.totalCount).toBe(0);
      const args = await new Promise<unknown[]>((resolve) => pool.connect((...called) => resolve(called)));
      expect(args).toEqual([expect.objectContaining({ message: 'not this one' }), undefined, expect.any(Function)]);
    });

    function fail(): never {
      throw new Error('not this one');
    }
  });

  describe('keeps limits', () => {
    it('max', async () => {
      const pool = make(PoolToTest, { max: 3, application_name: 'three' });
      const pids = await Promise.all(Array.from({ length: 20 }, () => pidOf(pool)));
      expect(new Set(pids).size).toBeLessThanOrEqual(3);
      expect((await postgres.activity({ applicationName: 'three' })).length).toBeLessThanOrEqual(3);
    });

    it('connectionTimeoutMillis, in line', async () => {
      // Long enough for the first connect.
      const pool = make(PoolToTest, { max: 1, connectionTimeoutMillis: 1_000 });
      const client = await pool.connect();
      const text = /^timeout exceeded when trying to connect/;
      expect(await failure(pool.connect())).toMatchObject({ message: expect.stringMatching(text) });
      expect(await failure(pool.query('select 1'))).toMatchObject({ message: expect.stringMatching(text) });
      const args = await new Promise<unknown[]>((resolve) => pool.connect((...called) => resolve(called)));
      expect(args[0]).toMatchObject({ message: expect.stringMatching(text) });
      expect(pool.waitingCount).toBe(0);
      client.release();
      expect(await pidOf(pool)).toBeGreaterThan(0);
    });

    it('connectionTimeoutMillis: 0, which is none', async () => {
      const pool = make(PoolToTest, { max: 1, connectionTimeoutMillis: 0 });
      const client = await pool.connect();
      const next = pool.connect();
      expect(await settlesWithin(300, next)).toBe(false);
      client.release();
      (await next).release();
    });

    it('idleTimeoutMillis', async () => {
      const pool = make(PoolToTest, { idleTimeoutMillis: 50, application_name: 'short' });
      await pidOf(pool);
      await expect.poll(() => pool.totalCount).toBe(0);
      await expect.poll(() => postgres.activity({ applicationName: 'short' })).toEqual([]);
    });

    it('idleTimeoutMillis: 0, which is none', async () => {
      const pool = make(PoolToTest, { idleTimeoutMillis: 0 });
      await pidOf(pool);
      await sleep(200);
      expect(pool.idleCount).toBe(1);
    });

    it('min, below which no idle client is closed', async () => {
      const pool = make(PoolToTest, { idleTimeoutMillis: 50, min: 1 });
      const clients = [await pool.connect(), await pool.connect(), await pool.connect()];
      for (const client of clients) client.release();
      await expect.poll(() => pool.totalCount).toBe(1);
      await sleep(150);
      expect(pool.idleCount).toBe(1);
    });

    it('maxUses', async () => {
      const pool = make(PoolToTest, { maxUses: 2, max: 1 });
      const pids = [await pidOf(pool), await pidOf(pool), await pidOf(pool)];
      expect(pids[1]).toBe(pids[0]);
      expect(pids[2]).not.toBe(pids[0]);
    });

    it('maxLifetimeSeconds, of an idle client', async () => {
      const pool = make(PoolToTest, { maxLifetimeSeconds: 0.2 });
      await pidOf(pool);
      await expect.poll(() => pool.totalCount).toBe(0);
    });

    it('maxLifetimeSeconds, of a client in use when it comes back', async () => {
      const pool = make(PoolToTest, { maxLifetimeSeconds: 0.2 });
      const client = await pool.connect();
      expect(pool.expiredCount).toBe(0);
      await sleep(300);
      expect(pool.expiredCount).toBe(1);
      expect(await pidOf(client)).toBeGreaterThan(0);
      client.release();
      await expect.poll(() => pool.totalCount).toBe(0);
      expect(pool.expiredCount).toBe(0);
    });

    it('maxLifetimeSeconds: 0, which is none', async () => {
      const pool = make(PoolToTest, { maxLifetimeSeconds: 0 });
      const pid = await pidOf(pool);
      await sleep(100);
      expect(await pidOf(pool)).toBe(pid);
    });
  });

  it('gives promises of the class that it was given', async () => {
    class Chosen<T> extends Promise<T> {}
    const pool = make(PoolToTest, { Promise: Chosen, connectionString: postgres.url });
    const connecting = pool.connect();
    expect(connecting).toBeInstanceOf(Chosen);
    (await connecting).release();
    const querying = pool.query('select 1');
    expect(querying).toBeInstanceOf(Chosen);
    await querying;
    const ending = pool.end();
    expect(ending).toBeInstanceOf(Chosen);
    await ending;
  });

  describe('ends', () => {
    it('with a promise, unused', async () => {
      const pool = new PoolToTest();
      expect(await pool.end()).toBeUndefined();
      expect(pool).toMatchObject({ ending: true, ended: true });
    });

    it('with a callback, and closes its idle clients', async () => {
      const pool = make(PoolToTest, { application_name: 'ending' });
      await pidOf(pool);
      const called = await new Promise<unknown[]>((resolve) => pool.end((...args: unknown[]) => resolve(args)));
      expect(called.filter(Boolean)).toEqual([]);
      expect(pool).toMatchObject({ ending: true, ended: true, totalCount: 0, idleCount: 0 });
      await expect.poll(() => postgres.activity({ applicationName: 'ending' })).toEqual([]);
    });

    it('when the clients that are out have come back', async () => {
      const pool = make(PoolToTest);
      const client = await pool.connect();
      const ended = pool.end();
      expect(pool).toMatchObject({ ending: true, ended: false });
      expect(await settlesWithin(50, ended)).toBe(false);
      expect(await pidOf(client)).toBeGreaterThan(0);
      client.release();
      await ended;
      expect(pool.totalCount).toBe(0);
    });

    it('after the queries that were sent before', async () => {
      const pool = make(PoolToTest, { max: 5 });
      const queries = Array.from({ length: 5 }, () => pidOf(pool));
      await pool.end();
      expect(await Promise.all(queries)).toHaveLength(5);
    });

    it('once', async () => {
      const pool = make(PoolToTest);
      await pool.end();
      expect(await failure(pool.end())).toMatchObject({ message: 'Called end on pool more than once' });
      const error = await new Promise((resolve) => pool.end(resolve as () => void));
      expect(error).toMatchObject({ message: 'Called end on pool more than once' });
    });

    it('and then lends no more', async () => {
      const pool = make(PoolToTest);
      const message = 'Cannot use a pool after calling end on the pool';
      const ended = pool.end();
      expect(await failure(pool.connect())).toMatchObject({ message });
      expect(await failure(pool.query('select 1'))).toMatchObject({ message });
      await ended;
      expect(await new Promise((resolve) => pool.connect(resolve))).toMatchObject({ message });
      expect(await new Promise((resolve) => pool.query('select 1', resolve))).toMatchObject({ message });
    });
  });
});
