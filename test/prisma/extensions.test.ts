import { PrismaPg } from '@prisma/adapter-pg';
import { Prisma as Extension } from '@prisma/client/extension';
import { readReplicas } from '@prisma/extension-read-replicas';
import { tenure } from '@tenure/prisma';
import { beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { usePostgres } from '../support/usePostgres.js';
import { Prisma, PrismaClient } from './generated/client.js';
import { clientOf, createTables, hold } from './support.js';

const postgres = await usePostgres();
const { url } = postgres;

beforeAll(() => createTables(postgres));
beforeEach(() => postgres.admin('truncate "User", "Post" restart identity'));

const plainClient = () => {
  const client = new PrismaClient({ adapter: new PrismaPg(url) });
  onTestFinished(() => client.$disconnect());
  return client;
};

describe('beside other extensions', () => {
  const logging = (log: string[]) =>
    Extension.defineExtension({
      name: 'logging',
      query: {
        $allOperations({ operation, args, query }) {
          log.push(operation);
          return query(args);
        },
      },
    });

  it.each(['before', 'after'])('one that logs queries, applied %s it', async (when) => {
    const log: string[] = [];
    const prisma =
      when === 'before'
        ? plainClient().$extends(logging(log)).$extends(tenure())
        : plainClient().$extends(tenure()).$extends(logging(log));
    await prisma.user.create({ data: { email: 'a' } });
    await prisma.user.findMany();
    await prisma.$queryRaw`select 1`;
    expect(log).toEqual(['create', 'findMany', '$queryRaw']);
    expect(prisma.$pool.stats()).toMatchObject({ opened: 1, acquired: 3 });
  });

  it.each(['before', 'after'])('read replicas, each with its own pool, applied %s it', async (when) => {
    const replica = plainClient().$extends(tenure({ name: 'replica' }));
    // The package's types lack extended clients, with which it works.
    const replicas = readReplicas({ replicas: [replica as unknown as PrismaClient] });
    const prisma =
      when === 'before'
        ? plainClient().$extends(replicas).$extends(tenure())
        : plainClient().$extends(tenure()).$extends(replicas);
    await prisma.user.create({ data: { email: 'a' } });
    expect(await prisma.user.findMany()).toHaveLength(1);
    expect(await prisma.$primary().user.count()).toBe(1);
    await prisma.$transaction([prisma.user.count()]);
    expect(prisma.$pool.stats()).toMatchObject({ acquired: 3 });
    expect(replica.$pool.stats()).toMatchObject({ acquired: 1 });
    await prisma.$disconnect();
    await expect.poll(() => postgres.activity()).toEqual([]);
  });

  it('ones that compute fields and add methods', async () => {
    const prisma = plainClient()
      .$extends({
        result: { user: { shout: { needs: { email: true }, compute: ({ email }) => email.toUpperCase() } } },
      })
      .$extends(tenure())
      .$extends({ model: { user: { byEmail: (email: string) => ({ email }) } } });
    await prisma.user.create({ data: { email: 'a' } });
    expect(await prisma.user.findUnique({ where: prisma.user.byEmail('a') })).toMatchObject({ shout: 'A' });
  });
});

describe('transactions', () => {
  it('interactive: are committed, rolled back, and hold one connection', async () => {
    const prisma = clientOf(url);
    const pids = await prisma.$transaction(async (tx) => {
      await tx.user.create({ data: { email: 'a' } });
      const [first] = await tx.$queryRaw<{ pid: number }[]>`select pg_backend_pid() as pid`;
      const [second] = await tx.$queryRaw<{ pid: number }[]>`select pg_backend_pid() as pid`;
      return [first?.pid, second?.pid];
    });
    expect(pids[0]).toBe(pids[1]);
    const failing = prisma.$transaction(async (tx) => {
      await tx.user.create({ data: { email: 'b' } });
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await prisma.user.findMany({ select: { email: true } })).toEqual([{ email: 'a' }]);
    expect(prisma.$pool.stats()).toMatchObject({ used: 0, rolledBack: 0, opened: 1 });
  });

  it('batch: all or nothing', async () => {
    const prisma = clientOf(url);
    await prisma.$transaction([
      prisma.user.create({ data: { email: 'a' } }),
      prisma.user.create({ data: { email: 'b' } }),
      prisma.$executeRaw`update "User" set name = 'raw'`,
      prisma.user.findMany(),
    ]);
    const failing = prisma.$transaction([
      prisma.user.create({ data: { email: 'c' } }),
      prisma.user.create({ data: { email: 'a' } }),
    ]);
    await expect(failing).rejects.toMatchObject({ code: 'P2002' });
    expect(await prisma.user.findMany({ select: { email: true, name: true }, orderBy: { id: 'asc' } })).toEqual([
      { email: 'a', name: 'raw' },
      { email: 'b', name: 'raw' },
    ]);
  });

  it('that time out give their connection back, clean', async () => {
    const prisma = clientOf({ connectionString: url, max: 1 });
    const slow = prisma.$transaction(
      async (tx) => {
        await tx.user.create({ data: { email: 'a' } });
        await new Promise((resolve) => setTimeout(resolve, 300));
        await tx.user.count();
      },
      { timeout: 100 },
    );
    await expect(slow).rejects.toMatchObject({ code: 'P2028' });
    expect(await prisma.user.count()).toBe(0);
    expect(prisma.$pool.stats()).toMatchObject({ used: 0, opened: 1 });
  });

  it('that wait too long for a connection to start leave none behind', async () => {
    const prisma = clientOf({ connectionString: url, max: 1 });
    const { holder, release } = hold(prisma);
    await expect.poll(() => prisma.$pool.stats().used).toBe(1);
    await expect(prisma.$transaction((tx) => tx.user.count(), { maxWait: 100 })).rejects.toMatchObject({
      code: 'P2028',
    });
    release();
    await holder;
    expect(await prisma.user.count()).toBe(0);
    expect(prisma.$pool.stats()).toMatchObject({ used: 0, opened: 1 });
  });

  it('of nested writes', async () => {
    const prisma = clientOf(url);
    await prisma.user.create({ data: { email: 'a', posts: { create: [{ title: 'one' }, { title: 'two' }] } } });
    const failing = prisma.post.create({ data: { title: 'three', author: { create: { email: 'a' } } } });
    await expect(failing).rejects.toMatchObject({ code: 'P2002' });
    expect(await prisma.user.findMany({ include: { posts: true } })).toMatchObject([
      { posts: [{ title: 'one' }, { title: 'two' }] },
    ]);
    expect(prisma.$pool.stats()).toMatchObject({ used: 0, opened: 1, rolledBack: 0 });
  });
});

it('Prisma.sql, and parameters in raw queries', async () => {
  const prisma = clientOf(url);
  const where = Prisma.sql`where email = ${'a'}`;
  await prisma.$executeRaw(Prisma.sql`insert into "User" (email) values (${'a'}), (${'b'})`);
  expect(await prisma.$queryRaw`select email from "User" ${where}`).toEqual([{ email: 'a' }]);
  expect(await prisma.$queryRawUnsafe('select email from "User" where email = $1', 'b')).toEqual([{ email: 'b' }]);
});

it('several clients keep apart', async () => {
  const one = clientOf(url, { maxConnections: 1 });
  const other = clientOf(url, { maxConnections: 2 });
  await Promise.all([one.user.count(), other.user.count()]);
  await one.$disconnect();
  await other.user.count();
  expect(other.$pool.stats()).toMatchObject({ acquired: 2, max: 2 });
  expect(one.$pool.stats()).toMatchObject({ acquired: 1, max: 1 });
});

it('queries that Prisma sends as one stay one', async () => {
  const prisma = clientOf(url);
  await Promise.all([1, 2, 3, 4].map((id) => prisma.user.findUnique({ where: { id } })));
  expect(prisma.$pool.stats().acquired).toBe(1);
});
