import { setTimeout as sleep } from 'node:timers/promises';
import { judge } from '@tenure/doctor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { watch } from '../../../packages/doctor/src/server/sampler.js';
import { targetOf } from '../../../packages/doctor/src/server/target.js';
import { hasPgBouncer, startPgBouncer } from '../../support/pgbouncer.js';
import { type PostgresServer, startPostgres } from '../../support/postgres.js';
import { violations } from '../../unit/doctor/schema.js';
import { alarmsOf, type Examination, examine } from './doctor.js';
import { FULL_SCENARIOS, knexFleet, load, SCENARIOS, type Scenario } from './scenarios.js';

/**
 * The doctor before live apps, all at once on one server; what it finds of each is told by its group. With DOCTOR_RUNS=3 each of
 * them is also alone on a server of its own, three times.
 */
const RUNS = Number(process.env.DOCTOR_RUNS ?? 0);
const SETTLE_MS = 1_500;

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
    const pooled = await startPooledApp();
    const starting = SCENARIOS.map(async ({ name, start }) => stops.push(await start(urls.get(name)!)));
    await Promise.all(starting);
    await sleep(SETTLE_MS);
    [examination, throughPooler] = await Promise.all([
      examine([server.superuserUrl]),
      pooled === undefined ? undefined : examine([pooled]),
    ]);
  }, 120_000);

  /** Resolves to the URL that the app itself uses. */
  async function startPooledApp(): Promise<string | undefined> {
    if (!hasPgBouncer()) return undefined;
    await makeDatabase(server, 'pooled');
    const upstream = { ...server, database: 'pooled' };
    const pooler = await startPgBouncer({ upstream, poolMode: 'transaction', settings: { default_pool_size: 8 } });
    stops.push(() => pooler.stop());
    const fleet = knexFleet(pooler.url, 10);
    const stop = load(40, 2_000, (index) => fleet.of(index).raw('select pg_sleep(0.05)'));
    stops.push(() => stop().then(fleet.end));
    return pooler.url;
  }

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
    expect(report.server.pooler).toBe(true);
    expect(report.findings.map(({ id }) => id)).toContain('behind-pooler');
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
    // Inside before it is full: later it might never get in.
    const watching = watch(targetOf(server.superuserUrl, {}), {
      seconds: 9,
      reserved: true,
      askPassword: async () => null,
    });
    const stop = await scenario.start(server.url);
    try {
      const { findings } = judge(await watching);
      expect(findings.filter(({ severity }) => severity !== 'info').map(({ id }) => id)).toEqual(scenario.alarms);
      // One that is not let in has the refusals to judge by.
      const outside = await examine([server.url, '--seconds', '3']);
      expect(alarmsOf(outside.report)).toEqual(['full']);
      expect(outside.report.server.refusals).toBeGreaterThan(0);
    } finally {
      await stop();
    }
  });
});

describe.runIf(RUNS > 0)('alone', () => {
  it.each(SCENARIOS)('$name: $alarms', { timeout: RUNS * 120_000 }, async (scenario) => {
    for (let run = 1; run <= RUNS; run++) {
      await using server = await startPostgres();
      const stop = await scenario.start(await makeDatabase(server, scenario.name));
      await sleep(SETTLE_MS);
      const { report } = await examine([server.superuserUrl]).finally(stop);
      console.log(`${scenario.name} ${run}/${RUNS}: ${report.findings.map(({ id, severity }) => `${severity} ${id}`)}`);
      expect(alarmsOf(report)[0]).toBe(scenario.alarms[0]);
      if (scenario.alarms.length === 0) expect(report.verdict).toBe('healthy');
    }
  });
});
