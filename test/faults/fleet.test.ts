import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { build } from 'vite';
import { afterEach, beforeAll, expect, it } from 'vitest';
import { usePostgres } from '../support/usePostgres.js';

const LIMIT = 40;
const CALLERS = 12;
const postgres = await usePostgres({ maxConnections: 120 });
const APP = new URL('../node_modules/.fleet/fleetApp.mjs', import.meta.url);

/** One file: two dozen processes that each compile all of Tenure would take a minute. */
beforeAll(async () => {
  await build({
    configFile: false,
    logLevel: 'silent',
    resolve: { conditions: ['@tenure/source'] },
    ssr: { noExternal: [/^@tenure/], external: ['pg'], resolve: { conditions: ['@tenure/source'] } },
    build: {
      ssr: fileURLToPath(new URL('fleetApp.ts', import.meta.url)),
      outDir: fileURLToPath(new URL('.', APP)),
      rollupOptions: { output: { entryFileNames: 'fleetApp.mjs' } },
    },
  });
}, 120_000);

interface Report {
  readonly slots: number;
  readonly guests: number;
  readonly hungry: boolean;
  readonly closed: number;
  readonly acquired: number;
  readonly failures: readonly string[];
}

class Process {
  readonly #child: ChildProcess;
  isKilled = false;

  constructor() {
    this.#child = fork(fileURLToPath(APP), {
      env: { ...process.env, DATABASE_URL: postgres.url, CONN_BUDGET: String(LIMIT) },
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#child.on('error', () => {});
  }

  get ready(): Promise<unknown> {
    return once(this.#child, 'message');
  }

  set callers(callers: number) {
    this.#child.send(callers);
  }

  async report(): Promise<Report> {
    const answer = once(this.#child, 'message');
    this.#child.send('report');
    const [report] = await answer;
    return report;
  }

  kill(): void {
    this.isKilled = true;
    this.#child.kill('SIGKILL');
  }
}

const fleet: Process[] = [];
afterEach(() => {
  for (const one of fleet.splice(0)) one.kill();
});

async function start(count: number): Promise<Process[]> {
  const started = Array.from({ length: count }, () => new Process());
  fleet.push(...started);
  await Promise.all(started.map(({ ready }) => ready));
  return started;
}

const reports = () => Promise.all(fleet.filter(({ isKilled }) => !isKilled).map((one) => one.report()));

/** A session with a slot has a lock of its member as well, the key of which is the next one. */
const SAMPLE = `select (select count(*)::int from pg_stat_activity a where usename = 'app' and (backend_start > now() - interval '1 s'
    -- A backend that ends gives its locks back, and is listed until it is gone.
    or exists (select from pg_locks l where l.pid = a.pid and locktype = 'advisory'))) as sessions,
  (select count(distinct slot.pid)::int from pg_locks slot join pg_locks member
    on member.pid = slot.pid and member.classid::bigint = slot.classid::bigint + 1
    where slot.locktype = 'advisory' and slot.objsubid = 2 and slot.objid < 1000) as slots`;

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
