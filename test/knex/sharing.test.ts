import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from '@tenure/core/pg';
import { poolOf } from '@tenure/knex';
import type { Knex } from 'knex';
import pg from 'pg';
import { describe, expect, it, vi } from 'vitest';
import { usePostgres } from '../support/usePostgres.js';
import { dialectClass, Log, useKnex } from './support.js';

const postgres = await usePostgres();

const { open } = useKnex(postgres);

let tests = 0;
const { host, port, user, password, database } = postgres;
/** A connection that no other test has. */
const own = () => ({ host, port, user, password, database, application_name: `knex ${++tests}` });
const backends = async ({ application_name: applicationName }: { application_name: string }) =>
  (await postgres.activity({ applicationName })).map(({ pid }) => pid);
const value = async (db: Knex, sql: string) => Object.values((await db.raw(sql)).rows[0])[0];

/** Makes instances like a module of the app that is evaluated again and again. */
async function evaluations(count: number, make: () => Knex): Promise<Knex[]> {
  const instances: Knex[] = [];
  for (let n = 0; n < count; n++) {
    const db = make();
    instances.push(db);
    await db.raw('select 1');
  }
  return instances;
}

describe('Knex instances that are made over and over at one place', () => {
  it('hold one connection, when a module that makes one is evaluated 30 times', async () => {
    const connection = own();
    await evaluations(30, () => open({ connection: { ...connection } }));
    expect(await backends(connection)).toHaveLength(1);
  });

  it('hold no more than one of them may, when one is made and destroyed for each request', async () => {
    const connection = own();
    let most = 0;
    const request = async () => {
      const db = open({ connection, pool: { max: 3 } });
      const answer = await value(db, 'select pg_sleep(0.02)::text');
      most = Math.max(most, (await backends(connection)).length);
      await db.destroy();
      return answer;
    };
    const requests = Array.from({ length: 20 }, async (_, n) => {
      await sleep(n);
      return request();
    });
    expect(await Promise.all(requests)).toEqual(Array(20).fill(''));
    expect(most).toBeLessThanOrEqual(3);
  });

  it('have sessions of their own, with their own set-up', async () => {
    const connection = own();
    const afterCreate = vi.fn((raw, done) => raw.query("set work_mem = '7MB'", done));
    const config = { connection, searchPath: ['shop'], pool: { max: 2, afterCreate } };
    const [first, second, third] = (await evaluations(3, () => open(config))) as [Knex, Knex, Knex];
    await first.raw("set search_path to elsewhere; set work_mem = '9MB'");
    await first.raw('create temporary table leftovers ()');
    for (const db of [second, third]) {
      expect(await value(db, 'show search_path')).toBe('shop');
      expect(await value(db, 'show work_mem')).toBe('7MB');
      expect(await value(db, "select to_regclass('pg_temp.leftovers')")).toBeNull();
    }
    expect((await backends(connection)).length).toBeLessThanOrEqual(2);
    expect(poolOf(first).stats().owners).toBe(3);
  });

  it('do not take each other’s connections back', async () => {
    const connection = own();
    const [first, second] = (await evaluations(2, () => open({ connection }))) as [Knex, Knex];
    const held = await first.client.acquireConnection();
    expect(second.client.pool.release(held)).toBe(false);
    await first.client.releaseConnection(held);
    expect(poolOf(first).stats().used).toBe(0);
  });

  it('tell the tools that listen to them of their own connections, and of no other', async () => {
    const connection = own();
    const heard = [vi.fn(), vi.fn()];
    const instances = await evaluations(2, () => open({ connection }));
    for (const [n, db] of instances.entries()) db.client.pool.on('acquireSuccess', heard[n]!);
    await instances[0]!.raw('select 1');
    expect(heard.map(({ mock }) => mock.calls.length)).toEqual([1, 0]);
  });

  it.for<[string, (n: number) => Knex.Config]>([
    ['when each has settings that only a function knows', () => ({ connection: async () => ({ ...own() }) })],
    ['when each has a client class of the app’s', () => ({ client: class extends dialectClass('pg') {} })],
    ['when each has a single connection', () => ({ pool: { max: 1 } })],
  ])('have nothing in common %s', async ([, config]) => {
    const connection = own();
    let n = 0;
    const instances = await evaluations(3, () => open({ connection, ...config(n++) }));
    expect(instances.map((db) => poolOf(db).stats().owners)).toEqual([1, 1, 1]);
  });

  it('have nothing in common with share: none', async () => {
    const connection = own();
    await evaluations(3, () => open({ connection }, { share: 'none' }));
    expect(await backends(connection)).toHaveLength(3);
  });
});

describe('Knex instances that are made in two places', () => {
  it('are apart: the one serves while the other’s transactions hold all it has', async () => {
    const connection = own();
    const locks = open({ connection, pool: { max: 2 } });
    const work = open({ connection, pool: { max: 2 } });
    const answers = await Promise.all(
      [1, 2].map((n) =>
        locks.transaction(async (trx) => {
          await trx.raw('select pg_advisory_xact_lock(?)', [n]);
          return value(work, `select ${n}`);
        }),
      ),
    );
    expect(answers).toEqual([1, 2]);
  });

  it('have a pool beside them that is apart too, without a word', async () => {
    const warned = vi.spyOn(process, 'emitWarning');
    const log = new Log();
    const connection = own();
    await open({ connection, log }).raw('select 1');
    const pool = new Pool(connection);
    await pool.query('select 1');
    await pool.end();
    expect(log.warnings).toEqual([]);
    expect(warned).not.toHaveBeenCalled();
  });
});

describe('A Knex instance whose connection is its own affair', () => {
  /** A library's replacement of a method of every instance, which reads the target from the instance. */
  async function acquireRawConnection(this: Knex.Client & { target: object }): Promise<unknown> {
    const client = new pg.Client(this.target);
    await client.connect();
    return client;
  }

  it('has the connections that it makes, though another has the same method', async () => {
    await postgres.admin('create database other owner app');
    const connection = own();
    const instances: Knex[] = [];
    for (const name of [database, 'other']) {
      // A copy: Knex 3.1 hides the password of the object that it is given.
      const db = open({ connection: { ...connection } });
      Object.assign(db.client, { acquireRawConnection, target: { ...connection, database: name } });
      instances.push(db);
      await sleep(1);
    }
    for (let turn = 0; turn < 3; turn++) {
      const names = [];
      for (const db of instances) names.push(await value(db, 'select current_database()'));
      expect(names).toEqual([database, 'other']);
    }
    expect(instances.map((db) => poolOf(db).stats().owners)).toEqual([1, 1]);
  });

  it('connects with the settings that it is given later, and leaves the others alone', async () => {
    const connection = own();
    const [first, second] = (await evaluations(2, () => open({ connection: { ...connection } }))) as [Knex, Knex];
    second.client.connectionSettings = { ...connection, application_name: 'elsewhere' };
    poolOf(second).invalidate();
    expect(await value(second, 'show application_name')).toBe('elsewhere');
    expect(await value(first, 'show application_name')).toBe(connection.application_name);
    expect([first, second].map((db) => poolOf(db).stats().owners)).toEqual([1, 1]);
    second.client.connectionSettings = { ...connection, password: 'wrong' };
    poolOf(second).invalidate();
    await expect(second.raw('select 1')).rejects.toMatchObject({ code: '28P01' });
    expect(await value(first, 'select 1')).toBe(1);
  });
});
