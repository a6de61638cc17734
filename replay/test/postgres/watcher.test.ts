import { setTimeout as sleep } from 'node:timers/promises';
import { usePostgres } from '@tenure/test/support/usePostgres.js';
import pg from 'pg';
import { expect, test } from 'vitest';
import { Cleanup } from '../../src/processes/cleanup.js';
import { Watcher } from '../../src/watch/watcher.js';

const postgres = await usePostgres();

async function withWatcher(work: (watcher: Watcher) => Promise<void>): Promise<void> {
  const cleanup = new Cleanup();
  const watcher = await Watcher.start(postgres.superuserUrl, 'watched', cleanup);
  await work(watcher).finally(() => cleanup.run());
}

async function session(applicationName = 'watched'): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: postgres.url, application_name: applicationName });
  await client.connect();
  return client;
}

test('sees the app’s sessions from birth to end, and no others', () =>
  withWatcher(async (watcher) => {
    const other = await session('other');
    const seen: number[] = [];
    const watch = await watcher.watch((connections) => seen.push(connections));
    const [first, second] = [await session(), await session()];
    await first.query('select pg_sleep(0.5)');
    await expect.poll(() => seen).toContain(2);
    await first.end();
    await second.end();
    await watcher.untilNoneLeft();
    await expect.poll(() => seen.at(-1)).toBe(0);
    const { trace, diagnosis } = await watch.stop();
    const { samples, lifelines } = trace;
    await other.end();

    expect(Math.max(...samples.map(({ connections }) => connections))).toBe(2);
    expect(samples.at(-1)?.connections).toBe(0);
    expect(lifelines).toHaveLength(2);
    expect(lifelines[0]!.worked.length).toBeGreaterThan(0);
    expect(lifelines[0]!.bornAt).toBeGreaterThanOrEqual(0);
    expect(diagnosis).toEqual(['too short to tell']);
  }));

test('says so when the server can no longer be seen', () =>
  withWatcher(async (watcher) => {
    const watch = await watcher.watch(() => {});
    await postgres.terminateBackends({ applicationName: 'tenure_replay_watcher' });
    await expect(watch.failed).rejects.toThrow();
  }));

test('counts the CPU time of backends that have ended', () =>
  withWatcher(async ({ cpu }) => {
    const before = await cpu.readMs();
    const busy = await session();
    await busy.query('select count(*) from generate_series(1, 3000000)');
    await busy.end();
    await sleep(200);
    const after = await cpu.readMs();
    expect(after! - before!).toBeGreaterThan(50);
  }));
