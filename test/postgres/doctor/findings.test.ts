import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from '@tenure/core/pg';
import type { Report } from '@tenure/doctor';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PostgresServer, startPostgres } from '../../support/postgres.js';
import { startProxy } from '../../support/proxy/proxy.js';
import { hasShiftedClock, type ShiftedClock, shiftedClock } from '../../support/shiftedClock.js';
import { type Examination, examine } from './doctor.js';
import { load } from './scenarios.js';

/** Findings that need more of a server than an app before it: a module, an hour, a lifetime. */

/** The ids of all that is found, of one group or of all. */
function idsOf({ findings }: Report, group?: string): string[] {
  return findings.filter((finding) => group === undefined || finding.group === group).map(({ id }) => id);
}

const AGE_SECONDS = 30;
const COHORT = 8;

let server: PostgresServer;
let aged: Promise<Report>;
const stops: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  server = await startPostgres({ settings: { shared_preload_libraries: 'pg_stat_statements' } });
  // First: the other tests are run while these come of age.
  await startAging();
  aged = sleep((AGE_SECONDS - 3) * 1_000).then(async () => (await examine([server.superuserUrl])).report);
});

afterAll(async () => {
  for (const stop of stops.reverse()) await stop();
  await server.stop();
});

async function makeDatabase(name: string): Promise<string> {
  await server.admin(`create database ${name} owner app`);
  return server.url.replace(/\/app$/, `/${name}`);
}

/** Pools that are all in use, each of connections that were opened in one moment. */
async function startAging(): Promise<void> {
  const jitter = await makeDatabase('jitter');
  const connectionString = await makeDatabase('restarted');
  const sameAge = await makeDatabase('same_age');
  use(new Pool({ connectionString: jitter, max: COHORT, policy: { maxAgeMs: AGE_SECONDS * 1_000 } }));
  // A deployment, at an age that is not configured.
  const open = () => openAtOnce('restarted', () => new pg.Pool({ connectionString, max: COHORT }));
  let stop = use(await open());
  const restart = sleep((AGE_SECONDS + 4.4) * 1_000, undefined, { ref: false }).then(async () => {
    await stop();
    stop = use(await open());
  });
  stops.push(() => restart);
  const limited = { connectionString: sameAge, max: COHORT, maxLifetimeSeconds: AGE_SECONDS };
  use(await openAtOnce('same_age', () => new pg.Pool(limited)));
}

/** On a busy machine logins may take longer than the moment that makes them one birth. */
async function openAtOnce(database: string, makePool: () => pg.Pool): Promise<pg.Pool> {
  for (let attempt = 1; ; attempt++) {
    const pool = makePool();
    await Promise.all(Array.from({ length: COHORT }, () => pool.query('select pg_sleep(0.3)')));
    const backends = (await server.activity()).filter((backend) => backend.database === database);
    const starts = backends.map(({ startedAt }) => startedAt.getTime());
    const youngest = starts.filter((at) => at >= Math.max(...starts) - 500);
    if (youngest.length >= COHORT || attempt === 10) return pool;
    await pool.end();
  }
}

/** Keeps all connections of a pool in use. */
function use(pool: pg.Pool): () => Promise<unknown> {
  pool.on('error', () => {});
  const end = load(2 * COHORT, 200, () => pool.query('select pg_sleep(0.1)'));
  let ended: Promise<unknown> | undefined;
  const stop = () => (ended ??= end().then(() => pool.end()));
  stops.push(stop);
  return stop;
}

describe('not-prepared', () => {
  const QUERY = { text: 'select relname from pg_class where oid = $1', values: [1259] };
  const COUNTED = 'statements';
  const UNCOUNTED = 'uncounted';
  const QUIET = 'quiet';
  const pools: Record<string, pg.Pool> = {};
  let quiet: Promise<Examination>;

  beforeAll(async () => {
    for (const name of [COUNTED, UNCOUNTED, QUIET]) {
      const url = await makeDatabase(name);
      const admin = new pg.Client(adminUrlOf(name));
      await admin.connect();
      await admin.query('create extension pg_stat_statements').finally(() => admin.end());
      const pool = new pg.Pool({ connectionString: url, max: 4 });
      stops.push(() => pool.end());
      pools[name] = pool;
    }
    for (const name of [COUNTED, QUIET]) {
      await server.admin(`alter database ${name} set pg_stat_statements.track_planning = on`);
    }
    quiet = examine([adminUrlOf(QUIET)]);
  });

  const adminUrlOf = (database: string) => server.superuserUrl.replace(/\/app$/, `/${database}`);

  async function examineWhile(work: (pool: pg.Pool) => Promise<unknown>, database = COUNTED): Promise<Report> {
    const stop = load(4, 60, () => work(pools[database]!));
    // A named statement is planned five times before the server keeps a plan.
    await sleep(1_000);
    const { report } = await examine([adminUrlOf(database), '--seconds', '3']).finally(stop);
    return report;
  }

  async function inTransaction(pool: pg.Pool, query: pg.QueryConfig): Promise<void> {
    const client = await pool.connect();
    try {
      await client.query('begin');
      await client.query(query);
      await client.query('commit');
    } finally {
      client.release();
    }
  }

  it('is found where a driver sends each statement anew', async () => {
    const report = await examineWhile((pool) => pool.query(QUERY));
    expect(report.findings).toMatchObject([{ id: 'not-prepared', severity: 'info' }]);
  });

  it('is found where each is in a transaction: BEGIN and COMMIT have no plan', async () => {
    const { findings } = await examineWhile((pool) => inTransaction(pool, QUERY));
    expect(findings).toMatchObject([{ id: 'not-prepared', evidence: { share: 1 } }]);
  });

  it('is not found where statements are named', async () => {
    const report = await examineWhile((pool) => pool.query({ ...QUERY, name: 'by_oid' }));
    expect(idsOf(report)).toEqual([]);
  });

  it('is not found of the doctor’s own questions', async () => {
    expect(idsOf((await quiet).report)).not.toContain('not-prepared');
  });

  it('is not found where nothing counts plans', async () => {
    const report = await examineWhile((pool) => pool.query(QUERY), UNCOUNTED);
    expect(idsOf(report)).toEqual([]);
  });
});

describe.skipIf(!hasShiftedClock())('half-open', () => {
  const HOURS = 3;
  let clock: ShiftedClock;
  let old: PostgresServer;
  let alive: pg.Client;

  beforeAll(async () => {
    clock = await shiftedClock(-HOURS * 3_600);
    old = await startPostgres({ env: clock.env });
    const proxy = await startProxy(old);
    stops.push(() => proxy[Symbol.asyncDispose]());
    const url = old.url.replace(`:${old.port}/`, `:${proxy.port}/`);
    const lost = Array.from({ length: 3 }, () => new pg.Client(url));
    for (const client of lost) {
      client.on('error', () => {});
      await client.connect();
      await client.query('select 1');
    }
    alive = new pg.Client(old.url);
    await alive.connect();
    await alive.query('select 1');
    // The network between them is gone, without a message to either side.
    proxy.freeze();
    await clock.shift(0);
  });

  afterAll(async () => {
    await alive.end();
    await old.stop();
    await clock[Symbol.asyncDispose]();
  });

  it('is found where nothing has come from an address for hours', async () => {
    const { report } = await examine([old.superuserUrl, '--seconds', '3']);
    const found = report.findings.find(({ id }) => id === 'half-open');
    expect(found).toMatchObject({ severity: 'info', group: 'app@app' });
    expect(found?.evidence).toMatchObject({ address: '127.0.0.1', sessions: 4, tcpKeepalivesIdleSeconds: 7_200 });
    expect(found?.evidence.silentHours).toBeCloseTo(HOURS, 1);
  });

  it('is not found where another session from there works', async () => {
    const stop = load(1, 300, () => alive.query('select 1'));
    const { report } = await examine([old.superuserUrl, '--seconds', '3']).finally(stop);
    expect(idsOf(report)).not.toContain('half-open');
  });

  it('is not found where the server itself looks for dead peers: that is the fix', async () => {
    await old.admin('alter system set tcp_keepalives_idle = 60');
    await old.admin('select pg_reload_conf()');
    const { report } = await examine([old.superuserUrl, '--seconds', '3']);
    expect(idsOf(report)).not.toContain('half-open');
  });
});

describe('same-age', { timeout: AGE_SECONDS * 2_000 }, () => {
  // Alone on the machine, as the runs in apps.test.ts: beside other tests its connections do not end together.
  it.runIf(process.env.DOCTOR_RUNS)('is a warning where a pool gives all its connections one maximum age', async () => {
    const report = await aged;
    const found = report.findings.filter(({ group }) => group === 'app@same_age');
    expect(found).toMatchObject([{ id: 'same-age', severity: 'warning', evidence: { ageSeconds: AGE_SECONDS } }]);
  });

  it('is only mentioned where an app was restarted', async () => {
    const report = await aged;
    const found = report.findings.filter(({ group }) => group === 'app@restarted');
    expect(found).toMatchObject([{ id: 'same-age', severity: 'info' }]);
  });

  it('is not found where each connection has an age of its own, as Tenure has it', async () => {
    expect(idsOf(await aged, 'app@jitter')).toEqual([]);
  });
});
