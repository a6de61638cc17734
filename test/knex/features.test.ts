import { poolOf } from '@tenure/knex';
import knex, { type Knex } from 'knex';
import { describe, expect, it, vi } from 'vitest';
import { usePostgres } from '../support/usePostgres.js';
import { dialectClass, Log, useKnex } from './support.js';

const postgres = await usePostgres();
const { open, stock } = useKnex(postgres);
const { host, port, user, password, database } = postgres;
const connection = { host, port, user, password, database };

type Raw = { query(sql: string, callback?: (error: Error | null) => void): unknown; processID: number };
type Done = (error?: Error | null) => void;

const value = async (db: Knex, sql: string) => Object.values((await db.raw(sql)).rows[0])[0];
const pid = (db: Knex) => value(db, 'select pg_backend_pid()');
const backends = async () => (await postgres.activity()).length;

/** Two connections at once: the second is a new one. */
const useTwo = (db: Knex) => Promise.all([db.raw('select pg_sleep(0.05)'), db.raw('select pg_sleep(0.05)')]);

describe('connection settings from a function', () => {
  it('are asked for once when they do not expire', async () => {
    const provider = vi.fn(async () => connection);
    const db = open({ connection: provider });
    await useTwo(db);
    expect(provider).toHaveBeenCalledTimes(1);
    expect(poolOf(db).stats().opened).toBe(2);
  });

  it('are asked for anew at each connect once they have expired; live sessions are left alone', async () => {
    let expired = false;
    const provider = vi.fn(async () => ({ ...connection, expirationChecker: () => expired }));
    const db = open({ connection: provider });
    const first = await pid(db);
    expired = true;
    expect(await pid(db)).toBe(first);
    expect(provider).toHaveBeenCalledTimes(1);
    await useTwo(db);
    expect(provider).toHaveBeenCalledTimes(2);
    expect(poolOf(db).stats()).toMatchObject({ opened: 2, idle: 2 });
  });

  it('keep what they do not show, and are not written on', async () => {
    const given = Object.freeze(
      Object.defineProperty({ host, port, user, database }, 'password', { value: password, enumerable: false }),
    );
    const db = open({ connection: async () => given as Knex.PgConnectionConfig });
    expect(await value(db, 'select 1')).toBe(1);
    expect(db.client.connectionSettings.connectionTimeoutMillis).toBe(10_000);
  });

  it("keep the app's own limit of a connect", async () => {
    const db = open({ connection: { ...connection, connectionTimeoutMillis: 1234 } });
    await pid(db);
    expect(db.client.connectionSettings.connectionTimeoutMillis).toBe(1234);
  });
});

describe('the set-up of a connection', () => {
  it('sets the search path', async () => {
    expect(await value(open({ searchPath: ['shop', 'public'] }), 'show search_path')).toBe('shop, public');
    expect(await value(open({ searchPath: 'shop' }), 'show search_path')).toBe('shop');
  });

  it("runs the app's afterCreate once for each connection, before anyone gets it", async () => {
    const afterCreate = vi.fn((raw: Raw, done: Done) =>
      raw.query("set application_name = 'mine'", (error) => done(error)),
    );
    const db = open({ pool: { afterCreate } });
    expect(await value(db, 'show application_name')).toBe('mine');
    await pid(db);
    expect(afterCreate).toHaveBeenCalledTimes(1);
  });

  it('learns the version of the server', async () => {
    const db = open();
    await pid(db);
    expect(db.client.version).toMatch(/^18\./);
  });

  const failing = (raw: Raw, done: Done) => raw.query('select nonsense', (error) => done(error));

  it('that fails is told to the caller, and leaves no connection behind', async () => {
    const db = open({ pool: { afterCreate: failing } });
    await expect(db.raw('select 1')).rejects.toMatchObject({ code: '42703' });
    await expect.poll(backends).toBe(0);
  });

  it("that objects on the app's part is told to the caller at once", async () => {
    const objection = new Error('not on this server');
    const afterCreate = vi.fn((_: Raw, done: Done) => done(objection));
    const db = open({ pool: { afterCreate } });
    const errors = await Promise.all([1, 2, 3].map(() => db.raw('select 1').catch((error) => error)));
    expect(errors).toEqual([objection, objection, objection]);
    expect(afterCreate).toHaveBeenCalledTimes(1);
  });

  it('that fails leaves one behind each time without Tenure', async () => {
    const db = stock({ pool: { afterCreate: failing } });
    for (let i = 0; i < 3; i++) await expect(db.raw('select 1')).rejects.toMatchObject({ code: '42703' });
    expect(await backends()).toBe(3);
    await postgres.terminateBackends();
  });

  it('that does not end is given up, and leaves no connection behind', async () => {
    const db = open({ pool: { afterCreate: () => {} } }, { connectTimeoutMs: 200, acquireTimeoutMs: 300 });
    await expect(db.raw('select 1')).rejects.toThrow(knex.KnexTimeoutError);
    await db.destroy();
    await expect.poll(backends).toBe(0);
  });

  it('that hangs in a query of Knex is given up too', async () => {
    class Slow extends dialectClass('pg') {
      checkVersion(raw: Raw) {
        return new Promise((resolve) => raw.query('select pg_sleep(60)', resolve));
      }
    }
    const db = open({ client: Slow }, { connectTimeoutMs: 200, acquireTimeoutMs: 300 });
    await expect(db.raw('select 1')).rejects.toThrow(knex.KnexTimeoutError);
    await db.destroy();
    await postgres.terminateBackends({ state: 'active' });
    await expect.poll(backends).toBe(0);
  });
});

describe("the app's own check", () => {
  it('runs before each reuse, also of a connection that was used just now', async () => {
    const validate = vi.fn(() => true);
    const db = open({ pool: { validate } });
    for (let i = 0; i < 4; i++) await pid(db);
    expect(validate).toHaveBeenCalledTimes(3);
    expect(poolOf(db).stats().opened).toBe(1);
  });

  it.each([
    ['says no', () => false, 0],
    ['says no later', async () => false, 0],
    [
      'throws',
      () => {
        throw new Error('oh');
      },
      1,
    ],
  ])('that %s has the connection replaced', async (_, validate, warnings) => {
    const log = new Log();
    const db = open({ log, pool: { validate } });
    expect(await pid(db)).not.toBe(await pid(db));
    expect(poolOf(db).stats().closed['failed-check']).toBe(1);
    expect(log.warnings).toEqual(Array(warnings).fill('Pool validate threw an error: oh'));
  });

  it('may be a method of its client class', async () => {
    const asked: number[] = [];
    class Picky extends dialectClass('pg') {
      override async validateConnection(raw: Raw): Promise<boolean> {
        asked.push(raw.processID);
        return asked.length > 1;
      }
    }
    const db = open({ client: Picky });
    const pids = [await pid(db), await pid(db), await pid(db)];
    expect(asked).toEqual([pids[0], pids[1]]);
    expect(pids[2]).toBe(pids[1]);
  });
});

describe('destroy and initialize', () => {
  it('may be called again and again', async () => {
    const db = open();
    const first = poolOf(db);
    await pid(db);
    await Promise.all([db.destroy(), db.destroy()]);
    await db.destroy();
    expect(await backends()).toBe(0);
    db.initialize();
    db.initialize();
    await pid(db);
    expect(poolOf(db)).not.toBe(first);
    expect(poolOf(db).stats().opened).toBe(1);
  });

  it('calls back', async () => {
    const db = open();
    await pid(db);
    await new Promise<void>((resolve) => db.destroy(resolve));
    expect(await backends()).toBe(0);
  });

  it("closes a connection the way the app's client class does", async () => {
    const closed: number[] = [];
    class Careful extends dialectClass('pg') {
      override destroyRawConnection(raw: Raw) {
        closed.push(raw.processID);
        return super.destroyRawConnection(raw);
      }
    }
    const db = open({ client: Careful });
    const first = await pid(db);
    await postgres.terminateBackends();
    const second = await pid(db);
    await db.destroy();
    expect(closed).toEqual([first, second]);
  });
});

describe('transactions', () => {
  it('commit, roll back, and nest', async () => {
    const db = open({}, { maxConnections: 1 });
    await db.schema.createTable('nested', (table) => table.integer('n'));
    await db.transaction(async (trx) => {
      await trx('nested').insert({ n: 1 });
      const inner = trx.transaction(async (savepoint) => {
        expect(poolOf(savepoint)).toBe(poolOf(db));
        await savepoint('nested').insert({ n: 2 });
        throw new Error('undo');
      });
      await expect(inner).rejects.toThrow('undo');
      await trx.savepoint(async (savepoint) => savepoint('nested').insert({ n: 3 }));
      await db('nested').insert({ n: 4 }).transacting(trx);
    });
    await expect(db.transaction(async (trx) => trx('nested').insert({ n: 'five' }))).rejects.toThrow();
    const provided = await db.transactionProvider()();
    await provided('nested').insert({ n: 6 });
    await provided.rollback();
    expect(await db('nested').pluck('n').orderBy('n')).toEqual([1, 3, 4]);
    expect(poolOf(db).stats()).toMatchObject({ opened: 1, rolledBack: 0, used: 0 });
  });

  it('left open by the app keep their connection until they end', async () => {
    const db = open({}, { maxConnections: 2 });
    const trx = await db.transaction();
    for (let i = 0; i < 10; i++) await db.raw('select 1');
    expect(poolOf(db).stats()).toMatchObject({ used: 1, idle: 1, opened: 2 });
    await trx.commit();
    await expect.poll(() => poolOf(db).stats()).toMatchObject({ used: 0, idle: 2 });
  });
});

describe('what else Knex does', () => {
  it('migrates', async () => {
    const db = open();
    const migrationSource: Knex.MigrationSource<string> = {
      getMigrations: async () => ['001_goods'],
      getMigrationName: (name) => name,
      getMigration: async () => ({
        up: (trx) => trx.schema.createTable('goods', (table) => table.increments()),
        down: (trx) => trx.schema.dropTable('goods'),
      }),
    };
    expect(await db.migrate.latest({ migrationSource })).toEqual([1, ['001_goods']]);
    expect(await db('goods')).toEqual([]);
    expect(await db.migrate.rollback({ migrationSource })).toEqual([1, ['001_goods']]);
    expect(poolOf(db).stats()).toMatchObject({ used: 0, rolledBack: 0 });
  });

  it('tells of queries, with the connection they ran on', async () => {
    const db = open();
    const heard: unknown[] = [];
    db.on('query', ({ sql, __knexUid, __knexTxId }) => heard.push([sql, typeof __knexUid, typeof __knexTxId]));
    await db.raw('select 1');
    await db.transaction(async (trx) => trx.raw('select 2'));
    expect(heard).toEqual([
      ['select 1', 'string', 'undefined'],
      ['BEGIN;', 'string', 'string'],
      ['select 2', 'string', 'string'],
      ['COMMIT;', 'string', 'string'],
    ]);
  });

  it('gives user parameters to a clone that shares the pool', async () => {
    const db = open();
    const clone = db.withUserParams({ tenant: 7 });
    expect(clone.userParams).toEqual({ tenant: 7 });
    expect(await pid(clone)).toBe(await pid(db));
    await clone.transaction(async (trx) => expect(poolOf(trx)).toBe(poolOf(db)));
    expect(poolOf(db).stats().opened).toBe(1);
  });

  it('lets the app take a connection by hand', async () => {
    const db = open();
    const raw = await db.client.acquireConnection();
    expect((await db.raw('select pg_backend_pid() as pid').connection(raw)).rows).toEqual([{ pid: raw.processID }]);
    await db.client.releaseConnection(raw);
    expect(poolOf(db).stats()).toMatchObject({ used: 0, idle: 1 });
  });

  it('inserts in batches', async () => {
    const db = open();
    await db.schema.createTable('batch', (table) => table.integer('n'));
    await db.batchInsert(
      'batch',
      Array.from({ length: 100 }, (_, n) => ({ n })),
      10,
    );
    expect(await value(db, 'select count(*)::int from batch')).toBe(100);
  });
});

it('the tests and the plugin use one copy of Knex, of the version they say', async () => {
  const { KNEX_VERSION } = await import('./support.js');
  expect('KnexPool' in knex).toBe(KNEX_VERSION === 'knex-3.3');
  const error = await open({}, { maxConnections: 1, acquireTimeoutMs: 1 })
    .transaction(async () => open({}, { maxConnections: 1, acquireTimeoutMs: 1 }).raw('select 1'))
    .catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(knex.KnexTimeoutError);
});
