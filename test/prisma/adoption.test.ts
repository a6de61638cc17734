import { PrismaPg } from '@prisma/adapter-pg';
import { TenurePolicyError } from '@tenure/core';
import { Pool } from '@tenure/core/pg';
import { tenure, tenureAdapter } from '@tenure/prisma';
import pg from 'pg';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { usePostgres } from '../support/usePostgres.js';
import { PrismaClient } from './generated/client.js';
import { clientOf, createTables } from './support.js';

const postgres = await usePostgres();
const { host, port, user, password, database, url } = postgres;
const config = { host, port, user, password, database };

beforeAll(() => createTables(postgres));

const backends = () => postgres.activity();
const poolOf = (options: pg.PoolConfig) => {
  const pool = new pg.Pool(options);
  onTestFinished(async () => {
    if (!pool.ending) await pool.end();
  });
  return pool;
};

describe('a PrismaPg made from', () => {
  it.each([
    ['a connection URL', () => url],
    ['a config with a URL', () => ({ connectionString: url })],
    ['a config', () => config],
    ['a pool', () => poolOf(config)],
    ['a pool made from a URL', () => poolOf({ connectionString: url })],
    ['a Tenure pool', () => new Pool(config)],
  ])('%s gets a governed pool', async (_, made) => {
    const prisma = clientOf(made());
    expect(prisma.$pool.stats()).toMatchObject({ opened: 0, acquired: 0 });
    for (let i = 0; i < 3; i++) await prisma.user.count();
    expect(prisma.$pool.stats()).toMatchObject({ acquired: 3, opened: 1, idle: 1 });
    expect(prisma.$pool.connections()).toMatchObject([{ processId: (await backends())[0]?.pid, uses: 3 }]);
    await prisma.$pool.drain();
  });

  it('a pool of another copy of pg, which PrismaPg takes for a config, is known for a pool', async () => {
    const adapter = Object.assign(new PrismaPg({}), { config: poolOf({ ...config, max: 7 }) });
    const prisma = new PrismaClient({ adapter }).$extends(tenure());
    expect(await prisma.user.count()).toBe(0);
    expect(prisma.$pool.stats().max).toBe(7);
    await prisma.$disconnect();
  });

  it('a pool is governed by what was written in its options, not by what pg-pool filled in', () => {
    const { policy } = clientOf(poolOf({ ...config, max: 4, connectionTimeoutMillis: 1_500 })).$pool.stats();
    expect(policy.maxConnections).toEqual({ value: 4, source: { from: 'host', name: 'pool.max' } });
    expect(policy.acquireTimeoutMs.value).toBe(1_500);
    for (const key of ['minConnections', 'idleTimeoutMs', 'maxUses', 'maxAgeMs', 'exitOnIdle'] as const) {
      expect(policy[key].source).toEqual({ from: 'default' });
    }
  });

  it('a pool goes on telling its listeners, who may set up the session', async () => {
    const pool = poolOf(config);
    pool.on('connect', (client) => void client.query("set application_name = 'from a listener'"));
    const prisma = clientOf(pool);
    await prisma.user.count();
    expect(await backends()).toMatchObject([{ applicationName: 'from a listener' }]);
    expect(pool.totalCount).toBe(0);
  });

  it('a Tenure pool is used as it is', async () => {
    const pool = new Pool({ ...config, policy: { maxConnections: 2 } });
    const prisma = clientOf(pool);
    expect(prisma.$pool.current).toBe(pool);
    await prisma.user.count();
    await prisma.$disconnect();
    expect(pool.ending).toBe(false);
    await prisma.user.count();
    expect(pool.stats()).toMatchObject({ opened: 1, acquired: 2 });
    await pool.end();
  });
});

it('$connect() opens what minConnections asks for', async () => {
  const prisma = clientOf(config, { minConnections: 2 });
  await prisma.$connect();
  await expect.poll(() => prisma.$pool.stats()).toMatchObject({ opened: 2, idle: 2, acquired: 0 });
});

describe('the factory keeps', () => {
  it('its schema', async () => {
    await postgres.admin(
      'create schema other; create table other."User" (like public."User"); alter table other."User" owner to app; grant usage on schema other to app',
    );
    await postgres.admin(`insert into other."User" values (1, 'in other', null)`);
    const prisma = clientOf(config, {}, { schema: 'other' });
    expect(await prisma.user.findMany()).toMatchObject([{ email: 'in other' }]);
  });

  it('its callbacks', async () => {
    const heard: string[] = [];
    const prisma = clientOf(
      config,
      {},
      {
        onPoolError: () => heard.push('pool'),
        onConnectionError: () => heard.push('connection'),
      },
    );
    await prisma.user.count();
    await postgres.terminateBackends();
    await expect.poll(() => heard).toEqual(['pool']);
    const killed = prisma.$transaction(async (tx) => {
      await tx.user.count();
      await postgres.terminateBackends();
      await tx.user.count();
    });
    await expect(killed).rejects.toThrow();
    expect(heard).toContain('connection');
  });

  it('its names of statements, and its parser of types', async () => {
    await postgres.admin(`create type mood as enum ('glad')`);
    const parsed: unknown[] = [];
    const prisma = clientOf(
      { ...config, max: 1 },
      {},
      {
        statementNameGenerator: ({ sql }) => `s${sql.length}`,
        userDefinedTypeParser: async (_, value) => {
          parsed.push(value);
          return 'changed';
        },
      },
    );
    expect(await prisma.$queryRaw`select 'glad'::mood as mood`).toEqual([{ mood: 'changed' }]);
    expect(parsed).toEqual(['glad']);
    const named = await prisma.$queryRaw<{ name: string }[]>`select name from pg_prepared_statements`;
    expect(named.map(({ name }) => name)).toContain('s27');
  });

  it('what it does on connect in a class of the app', async () => {
    let connected = 0;
    class OwnAdapter extends PrismaPg {
      override async connect() {
        connected++;
        return super.connect();
      }
    }
    const prisma = new PrismaClient({ adapter: new OwnAdapter(config) }).$extends(tenure());
    await prisma.user.count();
    expect(connected).toBe(1);
    expect(prisma.$pool.stats()).toMatchObject({ acquired: 1 });
    await prisma.$disconnect();
  });
});

describe('$disconnect()', () => {
  it('ends what Tenure opened, and the next query runs on a governed pool again', async () => {
    const prisma = clientOf(config);
    for (let round = 0; round < 3; round++) {
      await prisma.user.count();
      expect(prisma.$pool.stats()).toMatchObject({ opened: 1, acquired: 1, idle: 1 });
      await prisma.$disconnect();
      expect(prisma.$pool.stats()).toMatchObject({ opened: 1, idle: 0, closed: { closing: 1 } });
      await expect.poll(backends).toEqual([]);
    }
  });

  it('of one of two clients leaves the other whole, and of the last one ends the pool', async () => {
    const adapter = new PrismaPg(config);
    const [one, other] = [new PrismaClient({ adapter }), new PrismaClient({ adapter })].map((client) =>
      client.$extends(tenure()),
    ) as [ReturnType<typeof clientOf>, ReturnType<typeof clientOf>];
    await Promise.all([one.user.count(), other.user.count()]);
    expect(one.$pool).toBe(other.$pool);
    await one.$disconnect();
    await other.user.count();
    expect(other.$pool.stats().acquired).toBe(3);
    await one.user.count();
    await other.$disconnect();
    await one.$disconnect();
    await expect.poll(backends).toEqual([]);
  });

  it('lets queries in flight finish', async () => {
    const prisma = clientOf(config);
    await prisma.user.count();
    const slow = prisma.$queryRaw`select 1 as one from pg_sleep(1)`.then((rows) => rows);
    await expect.poll(() => prisma.$pool.stats().used).toBe(1);
    await prisma.$disconnect();
    expect(await slow).toEqual([{ one: 1 }]);
  });

  it("leaves the app's own pool alone", async () => {
    const pool = poolOf(config);
    const prisma = clientOf(pool);
    await prisma.user.count();
    await prisma.$disconnect();
    expect(pool.ending).toBe(false);
    await prisma.user.count();
    expect(prisma.$pool.stats().acquired).toBe(1);
  });

  it.each([
    ['a pool', () => poolOf(config)],
    ['a Tenure pool', () => new Pool({ ...config, policy: { healthChecks: false } })],
  ])('ends %s too where disposeExternalPool asks for it, and the next query has a governed one', async (_, made) => {
    const pool = made();
    const prisma = clientOf(pool, undefined, { disposeExternalPool: true });
    await prisma.user.count();
    const { healthChecks } = prisma.$pool.stats().policy;
    await prisma.$disconnect();
    expect(pool.ended).toBe(true);
    await prisma.user.count();
    expect(prisma.$pool.stats()).toMatchObject({ acquired: 1, policy: { healthChecks } });
  });

  it('may follow a drain', async () => {
    const prisma = clientOf(config);
    await prisma.user.count();
    await prisma.$pool.drain();
    await expect(prisma.user.count()).rejects.toMatchObject({ code: 'TENURE_CLOSED' });
    await prisma.$disconnect();
    expect(await prisma.user.count()).toBe(0);
  });
});

describe('refused, with what to do', () => {
  it('a client that has connected already, before anything of its query runs', async () => {
    const client = new PrismaClient({ adapter: new PrismaPg(config) });
    onTestFinished(() => client.$disconnect());
    await client.user.count();
    const prisma = client.$extends(tenure());
    await expect(prisma.user.create({ data: { email: 'late' } })).rejects.toThrow(/before its first query/);
    await client.$disconnect();
    expect(await prisma.user.count()).toBe(0);
    expect(prisma.$pool.stats().acquired).toBe(1);
  });

  it('a client without an adapter', () => {
    const accelerateUrl = 'prisma://accelerate.prisma-data.net/?api_key=none';
    expect(() => new PrismaClient({ accelerateUrl }).$extends(tenure())).toThrow(/no driver adapter.*new PrismaPg/s);
  });

  it.each([
    ['of Prisma 6', { clientVersion: '6.19.0', adapter: {} }, /needs Prisma 7.*new PrismaPg\(new Pool/s],
    ['that keeps its adapter elsewhere', undefined, /is probably newer.*tenureAdapter\(config\)/s],
  ])('a client %s', (_, engineConfig, advice) => {
    expect(() => tenure()({ _engineConfig: engineConfig })).toThrow(advice);
  });

  it('a PrismaPg that keeps its pool elsewhere', () => {
    const { adapterName, connect } = new PrismaPg(config);
    const moved = { clientVersion: '7.99.0', adapter: { adapterName, connect } };
    expect(() => tenure()({ _engineConfig: moved })).toThrow(/is probably newer.*tenureAdapter\(config\)/s);
  });

  it('a PrismaPg that does not connect on the pool it is handed', async () => {
    class Stubborn extends PrismaPg {
      override connect() {
        return new PrismaPg(config).connect();
      }
    }
    const prisma = new PrismaClient({ adapter: new Stubborn(config) }).$extends(tenure());
    await expect(prisma.user.count()).rejects.toThrow(/is probably newer.*tenureAdapter\(config\)/s);
    expect(await backends()).toEqual([]);
  });

  it("another database's adapter", () => {
    const adapter = Object.assign(new PrismaPg(config), { adapterName: '@prisma/adapter-neon' });
    expect(() => new PrismaClient({ adapter }).$extends(tenure())).toThrow(
      /adapter @prisma\/adapter-neon.*leave tenure\(\) out/s,
    );
  });

  it('a bad policy, at once and with all its problems', () => {
    const extended = () => clientOf(`${url}?connection_limit=many`, { maxAgeMs: -1 });
    expect(extended).toThrow(TenurePolicyError);
    expect(extended).toThrow(/two problems|2 problems/);
    expect(() => clientOf(url, { retryReads: 1 as unknown as boolean })).toThrow(
      'policy.retryReads = 1: true or false',
    );
  });

  it('a second policy for one adapter', () => {
    const adapter = new PrismaPg(config);
    const client = new PrismaClient({ adapter }).$extends(tenure({ maxConnections: 3 }));
    expect(() => new PrismaClient({ adapter }).$extends(tenure({ maxConnections: 4 }))).toThrow(/has another policy/);
    expect(client.$extends(tenure({ maxConnections: 3 })).$pool).toBe(client.$pool);
    expect(client.$extends(tenure()).$pool).toBe(client.$pool);
  });

  it('a policy beside a Tenure pool', () => {
    expect(() => clientOf(new Pool(config), { maxConnections: 3 })).toThrow(/has a policy already/);
  });
});

describe('tenureAdapter()', () => {
  it('needs nothing of Prisma that is not documented', async () => {
    const adapter = tenureAdapter(url, { schema: 'public' }, { maxConnections: 2 });
    const prisma = new PrismaClient({ adapter });
    await Promise.all(Array.from({ length: 10 }, () => prisma.user.count()));
    expect(adapter.pool.stats()).toMatchObject({ acquired: 10, max: 2 });
    await prisma.$disconnect();
    await expect.poll(backends).toEqual([]);
    await prisma.user.count();
    expect(adapter.pool.stats()).toMatchObject({ acquired: 1 });
    await prisma.$disconnect();
  });

  it('may be extended with tenure() as well', async () => {
    const adapter = tenureAdapter(url);
    const prisma = new PrismaClient({ adapter }).$extends(tenure());
    expect(prisma.$pool).toBe(adapter.pool);
    await prisma.user.count();
    expect(prisma.$pool.stats().acquired).toBe(1);
    await prisma.$disconnect();
  });
});
