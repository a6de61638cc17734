import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterEach, beforeAll, expect, it } from 'vitest';
import { usePostgres } from '../support/usePostgres.js';
import { buildApp, FleetProcess, SLOT_HOLDERS } from './fleetProcesses.js';

const LIMIT = 40;
const CALLERS = 12;
const postgres = await usePostgres({ maxConnections: 120 });
let app: string;

beforeAll(async () => {
  app = await buildApp(new URL('fleetApp.ts', import.meta.url));
}, 120_000);

const fleet: FleetProcess[] = [];
afterEach(() => {
  for (const one of fleet.splice(0)) one.kill();
});

async function start(count: number): Promise<FleetProcess[]> {
  const env = { DATABASE_URL: postgres.url, CONN_BUDGET: String(LIMIT) };
  const started = Array.from({ length: count }, () => new FleetProcess(app, env));
  fleet.push(...started);
  await Promise.all(started.map(({ ready }) => ready));
  return started;
}

const reports = () => Promise.all(fleet.filter(({ isKilled }) => !isKilled).map((one) => one.report()));

const SAMPLE = `select (select count(*)::int from pg_stat_activity a where usename = 'app' and (backend_start > now() - interval '1 s'
    -- A backend that ends gives its locks back, and is listed until it is gone.
    or exists (select from pg_locks l where l.pid = a.pid and locktype = 'advisory'))) as sessions,
  (${SLOT_HOLDERS}) as slots`;

/** Samples ten times a second until it is ended. */
async function sampling() {
  const admin = new pg.Client(postgres.superuserUrl);
  await admin.connect();
  const samples: { sessions: number; slots: number }[] = [];
  let isOver = false;
  const done = (async () => {
    while (!isOver) {
      samples.push((await admin.query(SAMPLE)).rows[0]);
      await sleep(100);
    }
    await admin.end();
  })();
  return async () => {
    isOver = true;
    await done;
    return samples;
  };
}

/** Waits until all that are left have equal shares. @returns how long that took */
async function untilEqual(withinMs: number): Promise<number> {
  const began = performance.now();
  await expect
    .poll(
      async () => {
        const slots = (await reports()).map((one) => one.slots);
        return { spread: Math.max(...slots) - Math.min(...slots), total: slots.reduce((sum, one) => sum + one) };
      },
      { timeout: withinMs, interval: 200 },
    )
    .toSatisfy(({ spread, total }) => spread <= 1 && total === LIMIT);
  return performance.now() - began;
}

it('12 processes under load, then 24, then half of them killed: never above the budget, and no query fails for it', async () => {
  const stop = await sampling();
  for (const one of await start(12)) one.callers = CALLERS;
  const tookFirst = await untilEqual(30_000);
  for (const one of await start(12)) one.callers = CALLERS;
  const tookSecond = await untilEqual(30_000);
  for (const victim of fleet.filter((_, index) => index % 2 === 0)) victim.kill();
  const tookThird = await untilEqual(30_000);
  const last = await reports();
  const samples = await stop();
  const [slots, sessions] = [samples.map((one) => one.slots), samples.map((one) => one.sessions)];
  console.log(
    `${samples.length} samples; slots at most ${Math.max(...slots)}, sessions at most ${Math.max(...sessions)}; ` +
      `equal shares after ${[tookFirst, tookSecond, tookThird].map((ms) => Math.round(ms)).join(', ')} ms; ` +
      `in the end ${last.map((one) => one.slots).join(' ')}`,
  );
  expect(Math.max(...slots)).toBeLessThanOrEqual(LIMIT);
  // And one for each process that connects for the first time.
  expect(Math.max(...sessions)).toBeLessThanOrEqual(LIMIT + 12);
  expect(last.flatMap(({ failures }) => failures)).toEqual([]);
  expect(last.reduce((sum, one) => sum + one.slots, 0)).toBe(LIMIT);
  expect(last.map(({ guests }) => guests)).toEqual(last.map(() => 0));
}, 180_000);

it('one busy process beside eleven that have just stopped has at least half of the budget soon', async () => {
  const stop = await sampling();
  const [busy, ...others] = await start(12);
  for (const one of fleet) one.callers = CALLERS;
  await untilEqual(30_000);
  for (const one of others) one.callers = 0;
  busy!.callers = LIMIT;
  const began = performance.now();
  await expect
    .poll(async () => (await busy!.report()).slots, { timeout: 10_000, interval: 50 })
    .toBeGreaterThanOrEqual(LIMIT / 2);
  const tookMs = performance.now() - began;
  const found = await reports();
  const samples = await stop();
  console.log(`half of the budget after ${Math.round(tookMs)} ms: ${found.map(({ slots }) => slots).join(' ')}`);
  // 1.5 s on an idle machine.
  expect(tookMs).toBeLessThan(5_000);
  // Lent, not taken: every process has a connection, and only the busy one is hungry.
  expect(Math.min(...found.map(({ slots }) => slots))).toBeGreaterThanOrEqual(1);
  expect(found.slice(1).map(({ hungry }) => hungry)).toEqual(others.map(() => false));
  expect(found.flatMap(({ failures }) => failures)).toEqual([]);
  expect(Math.max(...samples.map(({ slots }) => slots))).toBeLessThanOrEqual(LIMIT);
}, 90_000);

it('three busy processes, then twelve: all come to equal shares, and then no connection goes for the budget', async () => {
  const stop = await sampling();
  const processes = await start(12);
  for (const one of processes.slice(0, 3)) one.callers = LIMIT;
  await expect
    .poll(async () => (await reports()).reduce((sum, { slots }) => sum + slots, 0), { timeout: 20_000 })
    .toBe(LIMIT);
  for (const one of processes) one.callers = CALLERS;
  const tookMs = await untilEqual(20_000);
  const closed = (await reports()).map((one) => one.closed);
  await sleep(10_000);
  const last = await reports();
  const samples = await stop();
  console.log(
    `equal shares after ${Math.round(tookMs)} ms and ${closed.reduce((sum, count) => sum + count)} closings: ${last.map(({ slots }) => slots).join(' ')}`,
  );
  expect(last.map((one) => one.closed)).toEqual(closed);
  const slots = last.map((one) => one.slots);
  expect(Math.max(...slots) - Math.min(...slots)).toBeLessThanOrEqual(1);
  expect(last.flatMap(({ failures }) => failures)).toEqual([]);
  expect(Math.max(...samples.map((one) => one.slots))).toBeLessThanOrEqual(LIMIT);
}, 120_000);

it('more processes than slots: each has one guest at most, and none fails', async () => {
  const processes = await start(4);
  // A budget of 40, and 4 processes: the slots are taken by the test itself.
  const admin = new pg.Client(postgres.url);
  await admin.connect();
  processes[0]!.callers = 1;
  await expect.poll(async () => (await reports())[0]!.slots).toBe(1);
  const { rows } = await admin.query(
    "select classid::bigint::int as key from pg_locks where locktype = 'advisory' and objid < 1000",
  );
  await admin.query('select count(pg_try_advisory_lock($1::int, slot)) from generate_series(0, 39) slot', [
    rows[0].key,
  ]);
  for (const one of processes) one.callers = 4;
  await sleep(3_000);
  const found = await reports();
  await admin.end();
  expect(found.map(({ slots, guests }) => slots + guests)).toEqual([1, 1, 1, 1]);
  expect(found.flatMap(({ failures }) => failures)).toEqual([]);
  await expect
    .poll(async () => (await reports()).map(({ guests }) => guests), { timeout: 10_000 })
    .toEqual([0, 0, 0, 0]);
}, 60_000);
