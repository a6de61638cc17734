import { PrismaPg } from '@prisma/adapter-pg';
import { Pool } from '@tenure/core/pg';
import { poolOf, tenure as tenureKnex } from '@tenure/knex';
import { tenure as tenurePrisma } from '@tenure/prisma';
import knex from 'knex';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { PrismaClient } from '../../prisma/generated/client.js';
import { createTables } from '../../prisma/support.js';
import { usePostgres } from '../../support/usePostgres.js';

const postgres = await usePostgres();
beforeAll(() => createTables(postgres));

/** An app that moves from one to the other: both over one pool, in the three lines of the documents. */
function both(max = 3, policy = {}) {
  const pool = new Pool({ connectionString: postgres.url, max, policy });
  const db = knex(tenureKnex({ client: 'pg', connectionPool: pool }));
  const prisma = new PrismaClient({ adapter: new PrismaPg(pool) }).$extends(tenurePrisma());
  onTestFinished(async () => {
    await Promise.all([db.destroy(), prisma.$disconnect()]);
    await pool.drain(0);
  });
  return { pool, db, prisma };
}

const email = (name: string) => `${name}@example.org`;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('Knex and Prisma over one pool', () => {
  it('keep to one limit, use each other’s connections, and show one set of statistics', async () => {
    const { pool, db, prisma } = both();
    await prisma.$queryRaw`select 1`;
    await db.raw('select 1');
    expect(pool.stats()).toMatchObject({ opened: 1, acquired: 2 });
    let most = 0;
    const queries = Array.from({ length: 12 }, (_, n) => {
      return n % 2 === 0 ? db.raw('select pg_sleep(0.03)') : prisma.$queryRaw`select 1 from pg_sleep(0.03)`;
    });
    const watching = (async () => {
      for (let look = 0; look < 5; look++) most = Math.max(most, (await postgres.activity()).length);
    })();
    await Promise.all([...queries, watching]);
    expect(most).toBeLessThanOrEqual(3);
    const { acquired, opened } = pool.stats();
    expect(acquired).toBe(14);
    for (const stats of [poolOf(db).stats(), prisma.$pool.stats()]) expect(stats).toMatchObject({ acquired, opened });
  });

  it('run transactions at once, each whole, and each alone', async () => {
    const { pool, db, prisma } = both(4);
    const insert = (name: string) => ({ email: email(name), name });
    const outcomes = await Promise.allSettled([
      db.transaction(async (trx) => {
        await trx('User').insert(insert('knex commits'));
        await trx.raw('select pg_sleep(0.03)');
      }),
      db.transaction(async (trx) => {
        await trx('User').insert(insert('knex fails'));
        throw new Error('no');
      }),
      prisma.$transaction(async (tx) => {
        await tx.user.create({ data: insert('prisma commits') });
        await tx.$queryRaw`select 1 from pg_sleep(0.03)`;
        expect(await tx.user.count({ where: { name: { startsWith: 'knex' } } })).toBeLessThanOrEqual(1);
      }),
      prisma.$transaction(async (tx) => {
        await tx.user.create({ data: insert('prisma fails') });
        throw new Error('no');
      }),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected']);
    const names = (await db('User').whereLike('name', '%s').orderBy('name')).map(({ name }) => name);
    expect(names).toEqual(['knex commits', 'prisma commits']);
    expect(pool.stats()).toMatchObject({ used: 0, rolledBack: 0 });
  });

  it('leave no transaction and no error to each other', async () => {
    const { pool, db, prisma } = both(1);
    await db('User').insert({ email: email('taken') });
    for (let n = 0; n < 3; n++) {
      await expect(db('User').insert({ email: email('taken') })).rejects.toMatchObject({ code: '23505' });
      await expect(prisma.user.create({ data: { email: email('taken') } })).rejects.toMatchObject({ code: 'P2002' });
    }
    await db.raw('begin');
    expect(await prisma.$queryRaw`select now() = statement_timestamp() as "isAlone"`).toEqual([{ isAlone: true }]);
    await prisma.$executeRawUnsafe('begin');
    expect((await db.raw('select now() = statement_timestamp() as alone')).rows).toEqual([{ alone: true }]);
    // A client that ran a transaction of the one serves the other.
    await prisma.$transaction(async (tx) => void (await tx.$queryRaw`select 1`));
    await db.transaction((trx) => trx.raw('select 1'));
    expect(pool.stats()).toMatchObject({ opened: 1, rolledBack: 2 });
  });

  it('wait for each other in one line, and an error says who holds the connections', async () => {
    const { db, prisma } = both(1, { acquireTimeoutMs: 200 });
    const held = prisma.$transaction(async (tx) => {
      await tx.$queryRaw`select 1`;
      const error = await db.raw('select 1').catch((met) => met);
      expect(error).toMatchObject({ name: 'KnexTimeoutError', cause: { code: 'TENURE_ACQUIRE_TIMEOUT' } });
      expect(error.message).toContain('in a transaction');
    });
    await held;
    await db.transaction(async (trx) => {
      await trx.raw('select 1');
      await expect(prisma.user.count()).rejects.toMatchObject({ code: 'TENURE_ACQUIRE_TIMEOUT' });
    });
  });

  it('are closed in any order: Prisma first', async () => {
    const { pool, db, prisma } = both();
    await Promise.all([db.raw('select 1'), prisma.user.count()]);
    await prisma.$disconnect();
    expect((await db.raw('select 1 as one')).rows).toEqual([{ one: 1 }]);
    expect(await prisma.$queryRaw`select 1 as one`).toEqual([{ one: 1 }]);
    expect(pool.stats().closed.closing).toBe(0);
  });

  it('Knex first: it waits for its own work, and the pool stays open', async () => {
    const { pool, db, prisma } = both();
    let isOver = false;
    const work = db.transaction(async (trx) => {
      await trx.raw('select pg_sleep(0.05)');
      isOver = true;
    });
    await sleep(10);
    await db.destroy();
    expect(isOver).toBe(true);
    await work;
    await expect(db.raw('select 1')).rejects.toThrow('Unable to acquire a connection');
    expect(await prisma.$queryRaw`select 1 as one`).toEqual([{ one: 1 }]);
    expect(pool.stats()).toMatchObject({ used: 0, closed: { closing: 0 } });
    await pool.end();
    await expect(prisma.user.count()).rejects.toThrow();
    await expect.poll(() => postgres.activity()).toEqual([]);
  });

  it('the pool first: both are told so', async () => {
    const { pool, db, prisma } = both();
    await Promise.all([db.raw('select 1'), prisma.user.count()]);
    await pool.end();
    await expect(db.raw('select 1')).rejects.toMatchObject({ code: 'TENURE_CLOSED' });
    await expect(prisma.user.count()).rejects.toThrow(/closed|after calling end/);
  });
});

describe('Knex over a pool of the app', () => {
  it('has what it has with its own: streams, cancelled queries, the server’s version, the events of tarn', async () => {
    const { pool, db } = both(1);
    const seen: unknown[] = [];
    (db.client.pool as NodeJS.EventEmitter).on('acquireSuccess', (_id, connection) => seen.push(connection));
    const rows = [];
    for await (const row of db.select(db.raw('generate_series(1, 3) as n')).stream()) rows.push(row);
    expect(rows).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
    await expect(db.raw('select pg_sleep(30)').timeout(50, { cancel: true })).rejects.toThrow('timeout');
    expect((await db.raw('select 1 as one')).rows).toEqual([{ one: 1 }]);
    expect(db.client.version).toMatch(/^\d+(\.\d+)?$/);
    expect(db.client.pool.numUsed()).toBe(0);
    expect(seen.length).toBe(3);
    expect(pool.stats()).toMatchObject({ opened: 1 });
  });

  it('leaves nothing on the pool when it is destroyed', async () => {
    const pool = new Pool({ connectionString: postgres.url });
    onTestFinished(() => pool.drain(0));
    for (let n = 0; n < 20; n++) {
      const db = knex(tenureKnex({ client: 'pg', connectionPool: pool }));
      await db.raw('select 1');
      await Promise.all([db.destroy(), db.destroy()]);
    }
    expect(pool.stats()).toMatchObject({ opened: 1, acquired: 20, owners: 1 });
  });

  it.each([
    [{ connectionPool: {} }, undefined, "no Pool of '@tenure/core/pg'"],
    [{ connection: 'postgres://x', pool: { max: 3 } }, undefined, 'a connectionPool and connection, pool.'],
    [{ searchPath: ['mine'] }, undefined, 'a connectionPool and searchPath.'],
    [{}, { maxConnections: 3 }, 'has a policy already'],
  ])('refuses what only a pool of its own could follow: %j with %j', async (config, policy, message) => {
    const pool = new Pool({ connectionString: postgres.url });
    onTestFinished(() => pool.drain(0));
    const given = { client: 'pg', connectionPool: pool, ...config };
    expect(() => tenureKnex(given as never, policy)).toThrow(message);
  });
});
