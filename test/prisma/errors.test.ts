import { tenure, tenureAdapter } from '@tenure/prisma';
import pg from 'pg';
import { afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { freePort } from '../support/freePort.js';
import { usePostgres } from '../support/usePostgres.js';
import { Prisma } from './generated/client.js';
import { clientOf, createTables, hold } from './support.js';

const postgres = await usePostgres();
const { url } = postgres;

beforeAll(() => createTables(postgres));
beforeEach(() => postgres.admin('truncate "User", "Post" restart identity'));

it('1,000 unique violations open no connection after the first ones', async () => {
  const prisma = clientOf(url, { maxConnections: 5 });
  await prisma.user.create({ data: { email: 'taken' } });
  let failed = 0;
  const violate = async () => {
    for (let i = 0; i < 100; i++)
      await prisma.user.create({ data: { email: 'taken' } }).catch(({ code }) => (failed += Number(code === 'P2002')));
  };
  await Promise.all(Array.from({ length: 10 }, violate));
  expect(failed).toBe(1_000);
  expect(prisma.$pool.stats().opened).toBeLessThanOrEqual(5);
});

it('a raw BEGIN left open does not reach the next borrower', async () => {
  const prisma = clientOf(url, { maxConnections: 1 });
  await prisma.$executeRaw`begin`;
  await prisma.user.create({ data: { email: 'a' } });
  expect(await postgres.admin('select email from "User"')).toEqual([{ email: 'a' }]);
  expect(prisma.$pool.stats()).toMatchObject({ rolledBack: 1, opened: 1 });
});

it('a pool that has never connected warns after a second of what it meets, without the password', async () => {
  const warnings: (Error & { code?: string })[] = [];
  const onWarning = (warning: Error) => void warnings.push(warning);
  process.on('warning', onWarning);
  onTestFinished(() => void process.off('warning', onWarning));
  const port = await freePort();
  const prisma = clientOf(`postgres://app:a-secret@127.0.0.1:${port}/app`, { acquireTimeoutMs: 3_000 });
  const outcome = prisma.user.count().catch((error: unknown) => error);
  await expect.poll(() => warnings.map(({ code }) => code)).toEqual(['TENURE_NOT_CONNECTED']);
  expect(warnings[0]!.message).toContain(`connect ECONNREFUSED 127.0.0.1:${port}`);
  expect(warnings[0]!.message).not.toContain('a-secret');
  expect(await outcome).toMatchObject({ code: 'TENURE_UNREACHABLE' });
});

describe('a checkout that times out', () => {
  const full = async () => {
    // Long enough for the first connect.
    const prisma = clientOf(url, { maxConnections: 1, acquireTimeoutMs: 1_000 });
    const { holder, release } = hold(prisma);
    onTestFinished(() => (release(), holder));
    await expect.poll(() => prisma.$pool.stats().used).toBe(1);
    return prisma;
  };
  const told = {
    code: 'TENURE_ACQUIRE_TIMEOUT',
    message: expect.stringContaining('No connection came free'),
    meta: {
      used: 1,
      idle: 0,
      waiting: expect.any(Number),
      max: 1,
      waitedMs: expect.any(Number),
      holders: [{ status: expect.any(String) }],
    },
  };

  it.each(['findMany', 'create', '$queryRaw'])('reaches the caller of %s in Prisma’s own class', async (operation) => {
    const prisma = await full();
    const calls = {
      findMany: () => prisma.user.findMany(),
      create: () => prisma.user.create({ data: { email: 'a' } }),
      $queryRaw: () => prisma.$queryRaw`select 1`,
    };
    const error = await calls[operation as keyof typeof calls]().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(Prisma.PrismaClientKnownRequestError);
    expect(error).toMatchObject(told);
  });

  it('reaches the caller of $transaction as it is', async () => {
    const prisma = await full();
    const error = await prisma.$transaction((tx) => tx.user.count()).catch((reason: unknown) => reason);
    expect(error).toMatchObject(told);
  });
});

describe('a refused connection', () => {
  it("is Prisma's own error for it", async () => {
    const prisma = clientOf(url.replace('app:app', 'app:wrong'));
    await expect(prisma.user.count()).rejects.toMatchObject({ code: 'P1000' });
    expect(prisma.$pool.stats()).toMatchObject({ openFailures: 1 });
  });
});

describe('a lost connection', () => {
  const poolOptions = { connectionString: url, max: 1 };

  it.each([
    ['ended by an administrator', (client: pg.PoolClient) => terminate(client), '57P01'],
    ['closed without a word', (client: pg.PoolClient) => void streamOf(client).destroy(), undefined],
    ['reset', (client: pg.PoolClient) => void streamOf(client).destroy(systemError('ECONNRESET')), undefined],
    ['timed out', (client: pg.PoolClient) => void streamOf(client).destroy(systemError('ETIMEDOUT')), undefined],
  ])('has one shape when it is %s, in a query and in a transaction', async (_, lose, code) => {
    const factory = tenureAdapter(poolOptions);
    const adapter = await factory.connect();
    onTestFinished(() => adapter.dispose());
    const clients: pg.PoolClient[] = [];
    factory.pool.current.on('acquire', (client) => clients.push(client));
    const sleep = { sql: 'select pg_sleep(5)', args: [], argTypes: [] };
    const expected = {
      name: 'DriverAdapterError',
      cause: { kind: 'ConnectionClosed', ...(code && { originalCode: code }) },
    };

    const query = adapter.queryRaw(sleep).catch((error: unknown) => error);
    await expect.poll(() => clients.length).toBe(1);
    await lose(clients[0]!);
    expect(await query).toMatchObject(expected);

    const transaction = await adapter.startTransaction();
    const inside = transaction.executeRaw(sleep).catch((error: unknown) => error);
    await lose(clients[1]!);
    expect(await inside).toMatchObject(expected);
    await transaction.rollback();
    expect(await adapter.queryRaw({ ...sleep, sql: 'select 1' })).toMatchObject({ rows: [[1]] });
  });

  it('is not what an error only claims to be', async () => {
    const prisma = clientOf(url);
    const claim = prisma.$executeRawUnsafe(`do $$ begin raise exception 'not really' using errcode = '57P01'; end $$`);
    await expect(claim).rejects.toMatchObject({
      code: 'P2010',
      meta: { driverAdapterError: { cause: { kind: 'postgres' } } },
    });
    await expect.poll(() => prisma.$pool.stats()).toMatchObject({ opened: 1, idle: 1 });
  });

  async function terminate(client: pg.PoolClient): Promise<void> {
    const { processID: pid } = client as unknown as { processID: number };
    await expect.poll(() => postgres.activity({ pid, state: 'active' })).toHaveLength(1);
    await postgres.terminateBackends({ pid });
  }
});

describe('reads whose connection is lost', () => {
  let lock: pg.Client;
  beforeEach(async () => {
    // The query of a lost client goes on for a while.
    await postgres.terminateBackends();
    await postgres.admin(`insert into "User" (email) values ('a')`);
    lock = new pg.Client(postgres.superuserUrl);
    await lock.connect();
    await lock.query('begin; lock table "User" in access exclusive mode');
  });
  afterEach(() => lock.end());

  /** Ends the sessions that wait for the table, then lets it go. */
  const loseOnce = async () => {
    await expect.poll(() => postgres.activity({ user: 'app', state: 'active' })).toHaveLength(1);
    await postgres.terminateBackends();
    await lock.query('rollback');
  };

  it.each([
    'findUnique',
    'findUniqueOrThrow',
    'findFirst',
    'findFirstOrThrow',
    'findMany',
    'count',
    'aggregate',
    'groupBy',
  ])('%s: are run once more', async (operation) => {
    const prisma = clientOf(url);
    const where = { email: 'a' };
    const calls: Record<string, () => Promise<unknown>> = {
      findUnique: () => prisma.user.findUnique({ where }),
      findUniqueOrThrow: () => prisma.user.findUniqueOrThrow({ where }),
      findFirst: () => prisma.user.findFirst({ where }),
      findFirstOrThrow: () => prisma.user.findFirstOrThrow({ where }),
      findMany: () => prisma.user.findMany({ where }),
      count: () => prisma.user.count({ where }),
      aggregate: () => prisma.user.aggregate({ where, _max: { id: true } }),
      groupBy: () => prisma.user.groupBy({ by: ['email'], where }),
    };
    const [answer] = await Promise.all([calls[operation]!(), loseOnce()]);
    expect(answer).toBeTruthy();
    expect(prisma.$pool.stats()).toMatchObject({ acquired: 2, opened: 2, closed: { broken: 1 } });
  });

  it.each([
    'create',
    'createMany',
    'update',
    'updateMany',
    'upsert',
    'delete',
    'deleteMany',
    '$queryRaw',
    '$executeRaw',
  ])('%s: writes never are', async (operation) => {
    const prisma = clientOf(url);
    const [data, where] = [{ email: 'new' }, { email: 'a' }];
    const calls: Record<string, () => Promise<unknown>> = {
      create: () => prisma.user.create({ data }),
      createMany: () => prisma.user.createMany({ data }),
      update: () => prisma.user.update({ where, data }),
      updateMany: () => prisma.user.updateMany({ data }),
      upsert: () => prisma.user.upsert({ where, create: data, update: data }),
      delete: () => prisma.user.delete({ where }),
      deleteMany: () => prisma.user.deleteMany(),
      $queryRaw: () => prisma.$queryRaw`select * from "User"`,
      $executeRaw: () => prisma.$executeRaw`delete from "User"`,
    };
    const outcome = calls[operation]!().catch((error: unknown) => error);
    await loseOnce();
    expect(await outcome).toMatchObject({ code: operation.startsWith('$') ? 'P2010' : 'P1017' });
    expect(await postgres.admin('select email from "User"')).toEqual([{ email: 'a' }]);
  });

  it.each(['interactive', 'batch'])('in a transaction (%s): are not', async (kind) => {
    const prisma = clientOf(url);
    const outcome = (
      kind === 'batch' ? prisma.$transaction([prisma.user.findMany()]) : prisma.$transaction((tx) => tx.user.findMany())
    ).catch((error: unknown) => error);
    await loseOnce();
    expect(await outcome).toMatchObject({ code: 'P1017' });
  });

  it('are not where retryReads is off', async () => {
    const prisma = clientOf(url, { retryReads: false });
    const outcome = prisma.user.findMany().catch((error: unknown) => error);
    await loseOnce();
    expect(await outcome).toMatchObject({ code: 'P1017' });
  });

  it('are run once more and not twice, also where tenure() was applied twice', async () => {
    const prisma = clientOf(url).$extends(tenure());
    const outcome = prisma.user.findMany().catch((error: unknown) => error);
    for (let i = 0; i < 2; i++) {
      await expect.poll(() => postgres.activity({ user: 'app', state: 'active' })).toHaveLength(1);
      await postgres.terminateBackends();
    }
    expect(await outcome).toMatchObject({ code: 'P1017' });
    expect(prisma.$pool.stats().acquired).toBe(2);
  });
});

function streamOf(client: pg.PoolClient) {
  return (client as unknown as { connection: { stream: { destroy(error?: Error): void } } }).connection.stream;
}

function systemError(code: string): Error {
  return Object.assign(new Error(`read ${code}`), { code, syscall: 'read', errno: -104 });
}
