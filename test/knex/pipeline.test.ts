import { poolOf } from '@tenure/knex';
import type { Knex } from 'knex';
import { expect, it } from 'vitest';
import { useSlowMachine } from '../postgres/pipeline/support.js';
import { usePostgres } from '../support/usePostgres.js';
import { useKnex } from './support.js';

const postgres = await usePostgres();
const { open } = useKnex(postgres);
useSlowMachine();
await postgres.admin('set role app; create table people as select n as id, n * 2 as v from generate_series(1, 100) n');

const read = (db: Knex, id: number) => db('people').where({ id }).first();

/** A Knex of three connections, on each of which the read is short. */
async function openShort(): Promise<Knex> {
  const db = open({ pool: { min: 0, max: 3 } }, { pipeline: 'reads', prepareThreshold: 2 });
  for (let n = 0; n < 30; n++) await Promise.all([1, 2, 3].map((id) => read(db, id)));
  const connections = await Promise.all([1, 2, 3].map(() => db.client.acquireConnection()));
  for (let n = 0; n < 5; n++)
    await Promise.all(
      connections.map((connection: unknown) => db('people').where({ id: n }).first().connection(connection)),
    );
  for (const connection of connections) await db.client.releaseConnection(connection);
  return db;
}

it('Reads of Knex share connections, and each gets its row', async () => {
  const db = await openShort();
  const rows = await Promise.all(Array.from({ length: 60 }, (_, n) => read(db, n + 1)));
  expect(rows).toEqual(Array.from({ length: 60 }, (_, n) => ({ id: n + 1, v: 2 * n + 2 })));
  expect(poolOf(db).stats().pipelined).toMatchObject({ state: 'on', deepest: 4 });
  expect(db.client.pool.numUsed()).toBe(0);
});

it('Transactions, writes, streams and reads with a time limit have a connection alone, among reads that share', async () => {
  const db = await openShort();
  const reads = Promise.all(Array.from({ length: 60 }, (_, n) => read(db, n + 1)));
  const others = Promise.all([
    db.transaction(async (trx) => {
      await trx('people').insert({ id: 1_000, v: 1 });
      return trx('people').where({ id: 1_000 }).first();
    }),
    db('people').where({ id: 5 }).update({ v: 10 }),
    db('people').where({ id: 6 }).first().timeout(20_000, { cancel: true }),
    read(db, 7).then(() => db.raw('select ?::int as n', [1])),
  ]);
  expect((await reads)[59]).toEqual({ id: 60, v: 120 });
  expect(await others).toMatchObject([{ id: 1_000, v: 1 }, 1, { id: 6, v: 12 }, { rows: [{ n: 1 }] }]);
  const events: unknown[] = [];
  await read(db, 1)
    .on('query', ({ sql, __knexUid }: { sql: string; __knexUid: string }) => events.push(sql, typeof __knexUid))
    .on('query-response', (row: unknown) => events.push(row));
  expect(events).toEqual(['select * from "people" where "id" = ? limit ?', 'string', { id: 1, v: 2 }]);
});

it('An error of a read is as without pipelining', async () => {
  const sharing = await openShort();
  const alone = open({ pool: { min: 0, max: 1 } }, { pipeline: 'none' });
  const failing = (db: Knex) =>
    db('people')
      .select(db.raw('10 / ?::int as q', [0]))
      .where({ id: 1 })
      .then(String, ({ code, message }) => ({ code, message }));
  const errors = await Promise.all([...Array.from({ length: 8 }, () => failing(sharing)), failing(alone)]);
  expect(new Set(errors.map((error) => JSON.stringify(error))).size).toBe(1);
  expect(errors[0]).toMatchObject({ code: '22012' });
});

it('A transaction that awaits a read outside of it gets the answer, though other reads wait for its lock', async () => {
  const db = await openShort();
  await db.raw('create table locked (id int)');
  const awaited = db.transaction(async (trx) => {
    await trx.raw('lock table locked in access exclusive mode');
    const blocked = db('locked')
      .where({ id: 1 })
      .first()
      .then(() => 'late');
    return { row: await read(db, 3), blocked };
  });
  const { row, blocked } = await awaited;
  expect(row).toEqual({ id: 3, v: 6 });
  expect(await blocked).toBe('late');
  expect(poolOf(db).stats().pipelined!.state).toBe('on');
});

it('A caller reads what it has written, beside others that write the same row', async () => {
  const db = await openShort();
  await db.schema.createTable('counted', (table) => {
    table.integer('id').primary();
    table.integer('v').notNullable();
  });
  await db('counted').insert(Array.from({ length: 9 }, (_, id) => ({ id, v: 0 })));
  const caller = async (id: number) => {
    for (let n = 1; n <= 20; n++) {
      await db('counted').where({ id }).increment('v', 1);
      await db.transaction((trx) => trx('counted').where({ id: 0 }).increment('v', 1));
      expect(await db('counted').where({ id }).first()).toEqual({ id, v: n });
      expect(await db('counted').where({ id }).pluck('v')).toEqual([n]);
    }
  };
  await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map(caller));
  expect(await db('counted').where({ id: 0 }).first()).toEqual({ id: 0, v: 160 });
  expect(poolOf(db).stats().pipelined!.state).toBe('on');
});

it('A read that gets no connection in time fails as without pipelining', async () => {
  const failing = async (pipeline: 'reads' | 'none') => {
    const db = open({ pool: { min: 0, max: 1 }, acquireConnectionTimeout: 300 }, { pipeline, prepareThreshold: 2 });
    for (let n = 0; n < 30; n++) await read(db, 1);
    const trx = await db.transaction();
    const error: Error = await read(db, 1).catch((failed) => failed);
    await trx.rollback();
    return { name: error.name, message: error.message.replaceAll(/\d+/g, 'n') };
  };
  const error = await failing('reads');
  expect(error).toMatchObject({ name: 'KnexTimeoutError' });
  expect(error).toEqual(await failing('none'));
});
