import type { ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { expect, it, onTestFinished } from 'vitest';
import { usePostgres } from '../support/usePostgres.js';
import { buildApp, SLOT_HOLDERS, startApp } from './fleetProcesses.js';

const LIMIT = 40;
const PROCESSES = 24;
/** `FLEET_SAMPLES=3000` is for runs by hand. */
const SAMPLES = Number(process.env.FLEET_SAMPLES ?? 300);
const EVERY_MS = 20;
/** Sessions with a slot, and taken slots, including reserved ones. */
const SAMPLE = `select (${SLOT_HOLDERS}) as held,
  (select count(distinct objid)::int from pg_locks where locktype = 'advisory' and objsubid = 2 and objid < 1000) as taken`;
const postgres = await usePostgres({ maxConnections: 200 });

it(
  '24 processes that crash between the steps of a hand-over never hold more slots than the budget has',
  async () => {
    const script = await buildApp(new URL('crashingApp.ts', import.meta.url));
    const crashed = { sessions: 0, processes: 0 };
    const living = new Set<ChildProcess>();
    let isOver = false;
    const start = () => {
      const child = startApp(script, { DATABASE_URL: postgres.url, CONN_BUDGET: String(LIMIT) });
      living.add(child);
      child.on('message', () => crashed.sessions++);
      child.on('exit', () => {
        living.delete(child);
        if (isOver) return;
        crashed.processes++;
        start();
      });
    };
    onTestFinished(() => {
      isOver = true;
      for (const child of living) child.kill('SIGKILL');
    });
    for (let count = 0; count < PROCESSES; count++) start();
    const admin = new pg.Client(postgres.superuserUrl);
    await admin.connect();
    onTestFinished(() => admin.end());
    const look = async () => (await admin.query<{ held: number; taken: number }>(SAMPLE)).rows[0]!;
    await expect.poll(async () => (await look()).taken, { timeout: 60_000 }).toBe(LIMIT);
    const seen: number[] = [];
    while (seen.length < SAMPLES) {
      seen.push((await look()).held);
      await sleep(EVERY_MS);
    }
    console.log(
      `${seen.length} samples, ${Math.max(...seen)} of ${LIMIT} slots at most; ${crashed.sessions} sessions and ${crashed.processes} processes crashed`,
    );
    expect(Math.max(...seen)).toBeLessThanOrEqual(LIMIT);
    expect(Math.max(...seen)).toBeGreaterThan(LIMIT / 2);
    expect(crashed.sessions).toBeGreaterThan(0);
    expect(crashed.processes).toBeGreaterThan(0);
  },
  120_000 + 100 * SAMPLES,
);
