import { PrismaPg } from '@prisma/adapter-pg';
import { Pool } from '@tenure/core/pg';
import { tenure, tenureAdapter } from '@tenure/prisma';
import pg from 'pg';
import { beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { usePostgres } from '../support/usePostgres.js';
import { PrismaClient } from './generated/client.js';
import { clientOf, createTables } from './support.js';

const postgres = await usePostgres();
beforeAll(() => createTables(postgres));
beforeEach(() => {
  vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
});

let tests = 0;
/** A configuration that no other test has. */
const own = () => ({ connectionString: postgres.url, application_name: `prisma ${++tests}` });
const backends = async ({ application_name: applicationName }: { application_name: string }) =>
  (await postgres.activity({ applicationName })).map(({ pid }) => pid);

describe('Prisma clients with the same configuration', () => {
  it('are one pool, when a module that makes one is evaluated 30 times', async () => {
    const config = own();
    const clients = Array.from({ length: 30 }, () => clientOf({ ...config }));
    for (const prisma of clients) await prisma.user.count();
    expect(await backends(config)).toHaveLength(1);
    expect(clients[0]!.$pool.stats()).toMatchObject({ owners: 30, opened: 1 });
  });

  it('are one pool, when one is made for each request and never disconnected', async () => {
    const config = own();
    const request = async (n: number) => {
      const prisma = new PrismaClient({ adapter: new PrismaPg({ ...config }) }).$extends(tenure());
      await prisma.user.create({ data: { email: `request ${n}@example.org` } });
    };
    for (let n = 0; n < 10; n++) await request(n);
    expect(await backends(config)).toHaveLength(1);
  });

  it('are one pool with those that have the adapter of Tenure', async () => {
    const config = own();
    await clientOf(config).user.count();
    const prisma = new PrismaClient({ adapter: tenureAdapter({ ...config }) });
    onTestFinished(() => prisma.$disconnect());
    await prisma.user.count();
    expect(await backends(config)).toHaveLength(1);
  });

  it('leave the others theirs when they disconnect, and come back', async () => {
    const config = own();
    const [first, second] = [clientOf(config), clientOf(config)];
    for (const prisma of [first, second]) await prisma.user.count();
    await first.$disconnect();
    expect(second.$pool.stats()).toMatchObject({ owners: 1, opened: 1 });
    await second.user.count();
    await first.user.count();
    expect(second.$pool.stats()).toMatchObject({ owners: 2, opened: 1 });
    await Promise.all([first.$disconnect(), second.$disconnect()]);
    await expect.poll(() => backends(config)).toEqual([]);
  });

  it('keep their transactions apart', async () => {
    const config = own();
    const clients = [clientOf(config), clientOf(config)];
    const outcomes = await Promise.allSettled(
      clients.map((prisma, n) =>
        prisma.$transaction(async (tx) => {
          await tx.user.create({ data: { email: `transaction ${n}` } });
          await tx.$queryRaw`select 1 from pg_sleep(0.05)`;
          if (n === 0) throw new Error('no');
        }),
      ),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    expect(await clients[0]!.user.findMany({ where: { email: { startsWith: 'transaction' } } })).toMatchObject([
      { email: 'transaction 1' },
    ]);
  });

  it('are one pool when each was given a pool of its own of `pg`, unless someone listens to that', async () => {
    const config = own();
    const pools = Array.from({ length: 3 }, () => new pg.Pool(config));
    onTestFinished(async () => void (await Promise.all(pools.map((pool) => pool.end()))));
    for (const pool of pools) await clientOf(pool).user.count();
    expect(await backends(config)).toHaveLength(1);
    const watched = new pg.Pool(config);
    pools.push(watched);
    const connected = vi.fn();
    watched.on('connect', connected);
    await clientOf(watched).user.count();
    expect(await backends(config)).toHaveLength(2);
    expect(connected).toHaveBeenCalledTimes(1);
  });

  it('are not one pool with another policy, or with none', async () => {
    const config = own();
    const pool = new Pool({ ...config, policy: { share: false } });
    onTestFinished(() => pool.end());
    await clientOf(config).user.count();
    await clientOf(config, { maxConnections: 3 }).user.count();
    await pool.query('select 1');
    expect(await backends(config)).toHaveLength(3);
  });
});
