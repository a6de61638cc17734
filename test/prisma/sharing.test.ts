import { PrismaPg } from '@prisma/adapter-pg';
import { tenure, tenureAdapter } from '@tenure/prisma';
import pg from 'pg';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { usePostgres } from '../support/usePostgres.js';
import { PrismaClient } from './generated/client.js';
import { clientOf, createTables } from './support.js';

const postgres = await usePostgres();
beforeAll(() => createTables(postgres));

let tests = 0;
/** A configuration that no other test has. */
const own = () => ({ connectionString: postgres.url, application_name: `prisma ${++tests}` });
const backends = async ({ application_name: applicationName }: { application_name: string }) =>
  (await postgres.activity({ applicationName })).map(({ pid }) => pid);

describe('Prisma clients that are made over and over at one place', () => {
  it('hold one connection, when a module that makes one is evaluated 30 times', async () => {
    const config = own();
    for (let n = 0; n < 30; n++) await clientOf({ ...config }).user.count();
    expect(await backends(config)).toHaveLength(1);
  });

  it('hold one connection, when one is made for each request and never disconnected', async () => {
    const config = own();
    const request = async (n: number) => {
      const prisma = new PrismaClient({ adapter: new PrismaPg({ ...config }) }).$extends(tenure());
      await prisma.user.create({ data: { email: `request ${n}@example.org` } });
    };
    for (let n = 0; n < 10; n++) await request(n);
    expect(await backends(config)).toHaveLength(1);
  });

  it('hold no more than one of them may, when requests come side by side', async () => {
    const config = { ...own(), max: 3 };
    const request = async () => {
      const prisma = clientOf({ ...config });
      return prisma.$queryRaw`select 1 as served from pg_sleep(0.02)`;
    };
    let most = 0;
    const requests = Array.from({ length: 20 }, async (_, n) => {
      await new Promise((resolve) => setTimeout(resolve, n));
      const rows = await request();
      most = Math.max(most, (await backends(config)).length);
      return rows;
    });
    for (const rows of await Promise.all(requests)) expect(rows).toEqual([{ served: 1 }]);
    expect(most).toBeLessThanOrEqual(3);
  });

  it('hold one connection with the adapter of Tenure too', async () => {
    const config = own();
    for (let n = 0; n < 5; n++) {
      const prisma = new PrismaClient({ adapter: tenureAdapter({ ...config }) });
      onTestFinished(() => prisma.$disconnect());
      await prisma.user.count();
    }
    expect(await backends(config)).toHaveLength(1);
  });

  it('hold one connection with pools of `pg` of their own, whoever listens to those', async () => {
    const config = own();
    const connected = vi.fn();
    for (let n = 0; n < 4; n++) {
      const pool = new pg.Pool(config);
      onTestFinished(() => pool.end());
      pool.on('connect', connected);
      await clientOf(pool).user.count();
    }
    expect(await backends(config)).toHaveLength(1);
    expect(connected).toHaveBeenCalledTimes(4);
  });

  it('go on when one of them disconnects, which may come back', async () => {
    const config = own();
    const clients: ReturnType<typeof clientOf>[] = [];
    for (let n = 0; n < 2; n++) {
      clients.push(clientOf(config));
      await clients[n]!.user.count();
    }
    const [first, second] = clients as [(typeof clients)[0], (typeof clients)[0]];
    await first.$disconnect();
    await second.user.count();
    expect(second.$pool.stats()).toMatchObject({ owners: 1, opened: 1 });
    await first.user.count();
    expect(second.$pool.stats()).toMatchObject({ owners: 2 });
    await Promise.all([first.$disconnect(), second.$disconnect()]);
    await expect.poll(() => backends(config)).toEqual([]);
  });
});

describe('Prisma clients that are made in two places', () => {
  it('are apart, as with the pools of `pg`: the one serves while the other’s transactions hold all it has', async () => {
    const config = { ...own(), max: 2 };
    const locks = clientOf(config);
    const work = clientOf(config);
    const answers = await Promise.all(
      [1, 2].map((n) =>
        locks.$transaction(async (tx) => {
          await tx.$executeRaw`select pg_advisory_xact_lock(${n})`;
          return work.$queryRaw`select ${n}::int as n`;
        }),
      ),
    );
    expect(answers).toEqual([[{ n: 1 }], [{ n: 2 }]]);
    expect(locks.$pool.stats().owners).toBe(1);
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
});
