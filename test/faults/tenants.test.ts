import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Adapter, OpenAdapter } from '../contract/adapterContract.js';
import { openKnex } from '../contract/openKnex.js';
import { openPool } from '../contract/openPool.js';
import { openPrisma } from '../contract/openPrisma.js';
import { useLoad } from '../contract/useLoad.js';
import { hasPgBouncer, startPgBouncer } from '../support/pgbouncer.js';
import { usePostgres } from '../support/usePostgres.js';

const SLOTS = 100;
const TENANTS = 200;
const postgres = await usePostgres({ maxConnections: SLOTS });
const { host, port, password, database } = postgres;

beforeAll(() =>
  postgres.admin(`do $$ begin
    for tenant in 1..${TENANTS} loop execute format('create role tenant%s login password ''app'' in role app', tenant); end loop;
  end $$`),
);

/** A pool for each tenant, as in an app that gives each a role of its own; all end with the test. */
function tenants(open: OpenAdapter, count: number, target = { host, port }) {
  const apps: Adapter[] = [];
  const appOf = (tenant: number) => {
    apps[tenant] ??= open({ ...target, user: `tenant${tenant}`, password, database }, { maxConnections: 3 });
    return apps[tenant];
  };
  onTestFinished(async () => {
    await Promise.all(apps.map((app) => app.destroy()));
    await expect.poll(sessions).toBe(0);
  });
  return { all: Array.from({ length: count }, (_, index) => index + 1), appOf, crowded: () => sum(apps) };
}

const sum = (apps: readonly Adapter[]) => apps.reduce((count, app) => count + app.stats().closed.crowded, 0);

async function sessions(): Promise<number> {
  const [row] = await postgres.admin<{ sessions: number }>(
    `select count(*)::int as sessions from pg_stat_activity where usename like 'tenant%'`,
  );
  return row!.sessions;
}

describe.each([
  ['Pool', openPool, TENANTS],
  ['Knex', openKnex, TENANTS],
  // Each client of Prisma's holds a compiler of its own in memory.
  ['Prisma', openPrisma, 120],
] as const)('%s: a pool for each of more tenants than the server has slots', (_, open, count) => {
  it('used for a moment in turn: none fails, and the pool in use keeps its connections', async () => {
    const { all, appOf, crowded } = tenants(open, count);
    const [busy, ...others] = all.map(appOf);
    const load = useLoad(3, () => busy!.query('select pg_sleep(0.005)'));
    await expect.poll(() => busy!.stats().opened).toBe(3);
    for (const app of others) await app.query('select 1');
    await load.stop();
    expect(load.outcomes.filter(({ error }) => error !== undefined)).toEqual([]);
    expect(busy!.stats()).toMatchObject({ opened: 3, closed: { crowded: 0 } });
    console.info(`${count} tenants: ${crowded()} connections given up for others, ${await sessions()} open`);
    expect(crowded()).toBeGreaterThanOrEqual(count - SLOTS);
  }, 120_000);
});

describe('who gives up what lies idle', () => {
  /** Three pools, of which the first two have the same role; each but the first has two idle connections. */
  const threePools = async (target = { host, port }) => {
    const asking = openPool({ ...target, user: 'tenant1', password, database }, { acquireTimeoutMs: 2_000 });
    const same = openPool({ ...target, user: 'tenant1', password, database }, { maxConnections: 2, maxAgeMs: 'none' });
    const other = openPool({ ...target, user: 'tenant2', password, database }, { maxConnections: 2 });
    onTestFinished(async () => {
      await Promise.all([asking, same, other].map((app) => app.destroy()));
      await expect.poll(sessions).toBe(0);
    });
    const twice = (app: Adapter) => Promise.all([app.query('select pg_sleep(0.1)'), app.query('select pg_sleep(0.1)')]);
    for (const app of [other, same]) await expect.poll(async () => (await twice(app), app.stats().idle)).toBe(2);
    return { asking, same, other, twice, givenUp: () => [same, other].map((app) => app.stats().closed.crowded) };
  };

  it('at the limit of a role: pools of that role, and no others', async () => {
    await postgres.admin('alter role tenant1 connection limit 2');
    onTestFinished(() => void postgres.admin('alter role tenant1 connection limit -1'));
    const { asking, givenUp } = await threePools();
    await asking.query('select 1');
    expect(givenUp()).toEqual([1, 0]);
  });

  it('at the limit of a database: pools of that database, whatever their role', async () => {
    await postgres.admin('alter database app connection limit 4');
    onTestFinished(() => void postgres.admin('alter database app connection limit -1'));
    const { asking, givenUp } = await threePools();
    await asking.query('select 1');
    // The other was used first, and so its connections are the coldest.
    expect(givenUp()).toEqual([0, 1]);
  });

  it('those with an idle one: where all is in use nobody can, and the error says that the server is full', async () => {
    await postgres.admin('alter role tenant1 connection limit 2');
    onTestFinished(() => void postgres.admin('alter role tenant1 connection limit -1'));
    const { asking, same, givenUp } = await threePools();
    const using = Promise.all([same.query('select pg_sleep(3)'), same.query('select pg_sleep(3)')]);
    await expect(asking.query('select 1')).rejects.toMatchObject({
      code: 'TENURE_UNREACHABLE',
      message: expect.stringContaining('no free slot'),
      cause: { code: '53300' },
    });
    expect(givenUp()).toEqual([0, 0]);
    await using;
    await asking.query('select 1');
    expect(givenUp()).toEqual([1, 0]);
  });

  it.skipIf(!hasPgBouncer())('at the limit of a PgBouncer: pools that are connected to it', async () => {
    await using bouncer = await startPgBouncer({
      upstream: postgres,
      poolMode: 'transaction',
      settings: { max_client_conn: 4, auth_type: 'any' },
      databases: { [database]: `host=${host} port=${port} dbname=${database} user=app password=app` },
    });
    const direct = openPool({ host, port, user: 'tenant3', password, database }, {});
    await direct.query('select 1');
    const { asking, givenUp } = await threePools(bouncer);
    await asking.query('select 1');
    expect(givenUp()).toEqual([0, 1]);
    expect(direct.stats().closed.crowded).toBe(0);
    await direct.destroy();
  });
});
