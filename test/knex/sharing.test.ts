import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { poolOf, tenure } from '@tenure/knex';
import knex, { type Knex } from 'knex';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { usePostgres } from '../support/usePostgres.js';
import { dialectClass, Log, useKnex } from './support.js';

const postgres = await usePostgres();

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');
const { open } = useKnex(postgres);

let tests = 0;
const { host, port, user, password, database } = postgres;
/** A connection that no other test has. */
const own = () => ({ host, port, user, password, database, application_name: `knex ${++tests}` });
const backends = async ({ application_name: applicationName }: { application_name: string }) =>
  (await postgres.activity({ applicationName })).map(({ pid }) => pid);
const value = async (db: Knex, sql: string) => Object.values((await db.raw(sql)).rows[0])[0];
const pidOf = (db: Knex) => value(db, 'select pg_backend_pid()');

beforeEach(() => {
  vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
});

describe('Knex instances with the same config', () => {
  it('are one pool, when a module that makes one is evaluated 30 times', async () => {
    const connection = own();
    const instances = Array.from({ length: 30 }, () => knex(tenure({ client: 'pg', connection: { ...connection } })));
    for (const db of instances) await db.raw('select 1');
    expect(await backends(connection)).toHaveLength(1);
    expect(poolOf(instances[0]!).stats()).toMatchObject({ owners: 30, opened: 1 });
    await Promise.all(instances.map((db) => db.destroy()));
    await expect.poll(() => backends(connection)).toEqual([]);
  });

  it('are one pool, when one is made and destroyed for each request beside another', async () => {
    const connection = own();
    const app = open({ connection });
    const pid = await pidOf(app);
    for (let n = 0; n < 10; n++) {
      const db = open({ connection });
      expect(await pidOf(db)).toBe(pid);
      await db.destroy();
      await expect(db.raw('select 1')).rejects.toThrow();
    }
    expect(await pidOf(app)).toBe(pid);
    expect(poolOf(app).stats()).toMatchObject({ owners: 1, opened: 1 });
  });

  it('go on when the first of them is destroyed, also for new connections', async () => {
    const connection = own();
    const [first, second] = [open({ connection }), open({ connection })];
    await first.raw('select 1');
    await second.raw('select 1');
    await first.destroy();
    await Promise.all(Array.from({ length: 4 }, () => second.raw('select pg_sleep(0.1)')));
    expect(poolOf(second).stats().opened).toBeGreaterThan(1);
    first.initialize();
    await first.raw('select 1');
    expect(poolOf(first).stats()).toMatchObject({ owners: 2 });
  });

  it('see nothing of each other’s sessions, and have their own set-up', async () => {
    const connection = own();
    const afterCreate = vi.fn((raw, done) => raw.query("set work_mem = '7MB'", done));
    const config = { connection, searchPath: ['shop'], pool: { max: 1, afterCreate } };
    const [first, second] = [open(config), open(config)];
    await first.raw("set search_path to elsewhere; set work_mem = '9MB'");
    await first.raw('create temporary table leftovers ()');
    const pid = await pidOf(first);
    expect(await pidOf(second)).toBe(pid);
    expect(await value(second, 'show search_path')).toBe('shop');
    expect(await value(second, 'show work_mem')).toBe('7MB');
    expect(await value(second, "select to_regclass('pg_temp.leftovers')")).toBeNull();
    expect(afterCreate).toHaveBeenCalledTimes(2);
  });

  it('keep their transactions apart', async () => {
    await postgres.admin('create table parts (id int primary key); grant all on parts to app');
    const connection = own();
    const [first, second] = [open({ connection }), open({ connection })];
    await Promise.all(
      [first, second].map((db, id) =>
        db.transaction(async (trx) => {
          await trx('parts').insert({ id });
          expect(poolOf(trx as unknown as Knex).stats().owners).toBe(2);
          await trx.raw('select pg_sleep(0.05)');
          if (id === 0) await trx.rollback(new Error('no'));
        }),
      ),
    ).catch(() => {});
    await expect.poll(() => poolOf(first).stats().used).toBe(0);
    expect(await second('parts').select()).toEqual([{ id: 1 }]);
  });

  it('do not take each other’s connections back', async () => {
    const connection = own();
    const [first, second] = [open({ connection }), open({ connection })];
    await second.raw('select 1');
    const held = await first.client.acquireConnection();
    expect(second.client.pool.release(held)).toBe(false);
    expect(poolOf(second).stats().used).toBe(1);
    await first.client.releaseConnection(held);
    expect(poolOf(second).stats().used).toBe(0);
  });

  it('notice that their session has ended', async () => {
    const connection = own();
    const config = { connection, pool: { max: 1 } };
    const [first, second] = [open(config), open(config)];
    for (let turn = 0; turn < 3; turn++) for (const db of [first, second]) await db.raw('select 1');
    await postgres.terminateBackends({ applicationName: connection.application_name });
    await expect.poll(() => poolOf(first).stats().closed.broken).toBe(1);
    expect(await pidOf(first)).toBe(await pidOf(second));
  });

  it('can be collected when the app forgets them', async () => {
    const connection = own();
    const app = open({ connection });
    await app.raw('select 1');
    const useAndForget = async () => {
      const forgotten = Array.from({ length: 10 }, () => knex(tenure({ client: 'pg', connection, log: new Log() })));
      await Promise.all(forgotten.map((db) => db.raw('select 1')));
      expect([poolOf(app).stats().owners, forgotten.length]).toEqual([11, 10]);
    };
    await useAndForget();
    const owners = () => (collectGarbage(), poolOf(app).stats().owners);
    await expect.poll(owners, { timeout: 10_000 }).toBe(1);
  });

  it('with settings from one function are one pool', async () => {
    const connection = own();
    const provider = vi.fn(async () => ({ ...connection }));
    const instances = [open({ connection: provider }), open({ connection: provider })];
    for (const db of instances) await db.raw('select 1');
    expect(await backends(connection)).toHaveLength(1);
    const other = open({ connection: async () => ({ ...connection }) });
    await other.raw('select 1');
    expect(await backends(connection)).toHaveLength(2);
  });
});

describe('Knex instances are not one pool', () => {
  class Own extends dialectClass('pg') {}

  it.for<[string, Knex.Config, Knex.Config]>([
    ['a maximum', { pool: { max: 2 } }, { pool: { max: 3 } }],
    ['a search path', { searchPath: 'one' }, { searchPath: 'two' }],
    ['afterCreate', { pool: { afterCreate: (_: unknown, done: () => void) => done() } }, {}],
    ['validate', { pool: { validate: () => true } }, { pool: { validate: () => true } }],
    ['a client class', { client: Own }, {}],
    [
      'what a class of the app’s may read',
      { client: Own, userParams: { a: 1 } } as Knex.Config,
      { client: Own, userParams: { a: 2 } } as Knex.Config,
    ],
  ])('when they differ in %s', async ([, one, other]) => {
    const connection = own();
    for (const config of [one, other]) await open({ connection, ...config }).raw('select 1');
    expect(await backends(connection)).toHaveLength(2);
  });

  it('when tools listen to them', async () => {
    const connection = own();
    const [plain, watched] = [open({ connection }), open({ connection })];
    const acquired = vi.fn();
    watched.client.pool.on('acquireSuccess', acquired);
    await plain.raw('select 1');
    await watched.raw('select 1');
    expect(await backends(connection)).toHaveLength(2);
    expect(acquired).toHaveBeenCalledTimes(1);
  });

  it('any more, when a tool listens to one of them', async () => {
    const connection = own();
    const [first, second] = [open({ connection }), open({ connection })];
    const pid = await pidOf(first);
    expect(await pidOf(second)).toBe(pid);
    second.client.pool.on('release', () => {});
    expect(await pidOf(second)).not.toBe(pid);
    expect(await pidOf(first)).toBe(pid);
  });

  it('with share: false', async () => {
    const connection = own();
    for (let n = 0; n < 2; n++) await open({ connection }, { share: false }).raw('select 1');
    expect(await backends(connection)).toHaveLength(2);
  });
});

it('tells the logger of Knex of the first instance that joins', async () => {
  const connection = own();
  const logs = [new Log(), new Log(), new Log()];
  for (const log of logs) await open({ connection, log }).raw('select 1');
  expect(logs.map(({ warnings }) => warnings.filter((warning) => warning.includes('one pool')).length)).toEqual([
    0, 1, 0,
  ]);
});
