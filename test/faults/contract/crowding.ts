import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { expect, it, onTestFinished } from 'vitest';
import { runCalls } from '../../contract/load.js';
import type { PostgresServer } from '../../support/postgres.js';
import type { Stages } from './stage.js';

const OTHERS = 'others';

/** More want to connect than can. */
export function crowding(stages: Stages): void {
  const { postgres } = stages;

  it('all slots but three taken by others: of 300 queries at concurrency 50 none fails, the pool comes to three, and grows once there is room', async () => {
    const { app } = await stages.set({ maxConnections: 10 });
    const others = await takeAllSlotsBut(3, postgres);
    const query = () => app.query('select pg_sleep(0.005)');
    const openAfter = async (calls: number) => (await runCalls(calls, 50, query), app.stats().idle);
    // PostgreSQL counts those whom it is about to refuse: of several who come at once, none may get a slot that is free.
    const open = await openAfter(300);
    expect(app.complaints).toEqual([]);
    expect(open).toBeGreaterThanOrEqual(1);
    expect(open).toBeLessThanOrEqual(3);
    await expect.poll(() => openAfter(50), { timeout: 10_000 }).toBe(3);
    expect(app.stats().openFailures).toBeGreaterThan(0);
    await others.leave();
    await expect.poll(() => openAfter(50), { timeout: 10_000 }).toBeGreaterThan(3);
    expect(app.complaints).toEqual([]);
  });

  it('1,000 queries at once on an empty pool of 10, connects take 500 ms: 10 opened at most, and the first answer does not wait for the tenth', async () => {
    const { app, proxy } = await stages.set({ maxConnections: 10 });
    proxy.connectDelayMs = 500;
    const began = performance.now();
    await runCalls(1_000, 1_000, () => app.query('select pg_sleep(0.01)'));
    const firstMs = Math.min(...app.calls.map(({ endedAt }) => endedAt)) - began;
    console.info(`1,000 at once: first answer after ${Math.round(firstMs)} ms, ${proxy.connects.length} opened`);
    expect(app.complaints).toEqual([]);
    expect(proxy.connects.length).toBeLessThanOrEqual(10);
    const tenth = proxy.connects[9] ?? Number.POSITIVE_INFINITY;
    expect(began + firstMs).toBeLessThan(tenth + 500);
  });
}

/** Other apps, that leave this many slots of the server free. */
async function takeAllSlotsBut(free: number, { url, admin, activity }: PostgresServer) {
  const [row] = await admin<{ slots: number }>(
    `select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int as slots`,
  );
  const count = row!.slots - free;
  const clients = Array.from(
    { length: count },
    () => new pg.Client({ connectionString: url, application_name: OTHERS }),
  );
  const leave = async () => {
    await Promise.all(clients.splice(0).map((client) => client.end()));
    // Their slots are free when the server has seen the last of them.
    while ((await activity({ applicationName: OTHERS })).length > 0) await sleep(10);
  };
  onTestFinished(leave);
  for (const client of clients) client.on('error', () => {});
  await Promise.all(clients.map((client) => client.connect()));
  return { leave };
}
