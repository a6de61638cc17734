import { setTimeout as sleep } from 'node:timers/promises';
import { judge, type Recording, type Report, reportOf } from '@tenure/doctor';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { watch } from '../../../packages/doctor/src/server/sampler.js';
import { targetOf } from '../../../packages/doctor/src/server/target.js';
import { hasPgBouncer, startPgBouncer } from '../../support/pgbouncer.js';
import { type PostgresServer, startPostgres } from '../../support/postgres.js';
import { violations } from '../../unit/doctor/schema.js';
import { alarmsOf, type Examination, examine } from './doctor.js';
import { FULL_SCENARIOS, knexFleet, load, SCENARIOS, type Scenario } from './scenarios.js';

/**
 * The doctor before live apps, all at once on one server; the group says which app a finding is about. With DOCTOR_RUNS=3 each of
 * them is also alone on a server of its own, three times.
 */
const RUNS = Number(process.env.DOCTOR_RUNS ?? 0);
const RUN_MS = 120_000;
const SETTLE_MS = 1_500;
const REPORTED_WITHIN_MS = 11_000;

async function makeDatabase(server: PostgresServer, name: string): Promise<string> {
  await server.admin(`create database ${name} owner app`);
  return server.url.replace(/\/app$/, `/${name}`);
}

const groupOf = ({ name }: Scenario) => `app@${name}`;

describe('on a server with many apps', () => {
  let server: PostgresServer;
  let examination: Examination;
  let throughPooler: Examination | undefined;
  const stops: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    server = await startPostgres({ maxConnections: 500 });
    const urls = new Map<string, string>();
    for (const { name } of SCENARIOS) urls.set(name, await makeDatabase(server, name));
    const pooled = hasPgBouncer() ? await startPooledApp(server) : undefined;
    if (pooled) stops.push(pooled.stop);
    const starting = SCENARIOS.map(async ({ name, start }) => stops.push(await start(urls.get(name)!)));
    await Promise.all(starting);
    await sleep(SETTLE_MS);
    [examination, throughPooler] = await Promise.all([examine([server.superuserUrl]), pooled && examine([pooled.url])]);
  }, 120_000);

  afterAll(async () => {
    for (const stop of stops.reverse()) await stop();
    await server.stop();
  }, 60_000);

  it.each(SCENARIOS)('$name: $alarms', (scenario) => {
    const { report } = examination;
    const group = report.groups.find(({ name }) => name === groupOf(scenario));
    expect(alarmsOf(report, groupOf(scenario)), JSON.stringify({ group, findings: report.findings })).toEqual(
      scenario.alarms,
    );
  });

  it('what it prints is as the schema says, and its exit code is that of findings', () => {
    const { report, code, stderr } = examination;
    expect(violations(report)).toEqual([]);
    expect(report.verdict).toBe('findings');
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
  });

  it.skipIf(!hasPgBouncer())('through a pooler: it says so, and finds nothing wrong with the app behind it', () => {
    const { report } = throughPooler!;
    expectPooler(report);
    expect(alarmsOf(report, 'app@pooled')).toEqual([]);
  });
});

describe('at a server that is full', () => {
  let server: PostgresServer;

  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());

  it.each(FULL_SCENARIOS)('$name: $alarms', { timeout: 90_000 }, async (scenario) => {
    await expectFull(server, scenario);
  });
});

it('an idle database: it cannot tell, whatever the pools keep open', { timeout: RUN_MS }, async () => {
  await using server = await startPostgres();
  await expectIdle(server);
});

describe.runIf(RUNS > 0)('alone', () => {
  const timeout = RUNS * RUN_MS;

  async function repeat(name: string, once: (server: PostgresServer) => Promise<Report>): Promise<void> {
    for (let run = 1; run <= RUNS; run++) {
      await using server = await startPostgres();
      const { findings } = await once(server);
      console.log(`${name} ${run}/${RUNS}: ${findings.map(({ id, severity }) => `${severity} ${id}`)}`);
    }
  }

  it.each(SCENARIOS)('$name: $alarms', { timeout }, ({ name, alarms, start }) =>
    repeat(name, async (server) => {
      const stop = await start(await makeDatabase(server, name));
      await sleep(SETTLE_MS);
      const { report } = await examine([server.superuserUrl]).finally(stop);
      expect(alarmsOf(report)[0]).toBe(alarms[0]);
      if (alarms.length === 0) expect(report.verdict).toBe('healthy');
      return report;
    }),
  );

  it.each(FULL_SCENARIOS)('$name: $alarms', { timeout }, (scenario) =>
    repeat(scenario.name, (server) => expectFull(server, scenario)),
  );

  it.skipIf(!hasPgBouncer())('pooler: []', { timeout }, () =>
    repeat('pooler', async (server) => {
      const { url, stop } = await startPooledApp(server);
      await sleep(SETTLE_MS);
      const { report } = await examine([url]).finally(stop);
      expectPooler(report);
      expect(report.verdict).toBe('healthy');
      return report;
    }),
  );

  it('idle: []', { timeout }, () => repeat('idle', expectIdle));
});

/** An app that reaches the server through PgBouncer; `url` is what the app itself uses. */
async function startPooledApp(server: PostgresServer) {
  await makeDatabase(server, 'pooled');
  const upstream = { ...server, database: 'pooled' };
  const pooler = await startPgBouncer({ upstream, poolMode: 'transaction', settings: { default_pool_size: 8 } });
  const fleet = knexFleet(pooler.url, 10);
  const stop = load(40, 2_000, (index) => fleet.of(index).raw('select pg_sleep(0.05)'));
  return { url: pooler.url, stop: () => stop().then(fleet.end).then(pooler.stop) };
}

function expectPooler({ server, findings }: Report): void {
  expect(server.pooler).toBe(true);
  expect(findings.map(({ id }) => id)).toContain('behind-pooler');
}

async function expectFull(server: PostgresServer, { start, alarms }: Scenario): Promise<Report> {
  const { inside, watching } = watchFromInside(server);
  // The doctor starts before the server is full, because it might never get in later.
  await Promise.race([inside, watching]);
  const stop = await start(server.url);
  try {
    const report = reportOf(judge(await watching));
    expect(alarmsOf(report), JSON.stringify(report)).toEqual(alarms);
    // A doctor that comes later may be let in or not. One that is not has only the refusals to judge by: command.test.ts.
    const outside = await examine([server.url, '--seconds', '3']);
    expect(alarmsOf(outside.report)[0], JSON.stringify(outside)).toBe('full');
    return report;
  } finally {
    await stop();
  }
}

function watchFromInside(server: PostgresServer) {
  let watching!: Promise<Recording>;
  const inside = new Promise<void>((resolve) => {
    const options = { seconds: 9, reserved: true, askPassword: async () => null, onChange: () => resolve() };
    watching = watch(targetOf(server.superuserUrl, {}), options);
  });
  return { inside, watching };
}

async function expectIdle(server: PostgresServer): Promise<Report> {
  const pools = Array.from({ length: 4 }, () => new pg.Pool({ connectionString: server.url, idleTimeoutMillis: 0 }));
  const used = pools.flatMap((pool) => [pool.query('select pg_sleep(0.1)'), pool.query('select pg_sleep(0.1)')]);
  await Promise.all(used);
  try {
    // Waits until the sessions have reported their work.
    await sleep(REPORTED_WITHIN_MS);
    const { report, code } = await examine([server.superuserUrl]);
    expect(code).toBe(2);
    expect(alarmsOf(report)).toEqual([]);
    expect(report.groups).toMatchObject([{ name: 'app@app', unused: 8 }]);
    expect(report.findings).toMatchObject([{ id: 'cannot-tell', evidence: { reason: 'quiet' } }]);
    return report;
  } finally {
    await Promise.all(pools.map((pool) => pool.end()));
  }
}
