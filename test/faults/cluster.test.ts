import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { failures, runCalls } from '../contract/load.js';
import { useLoad } from '../contract/useLoad.js';
import { freePort } from '../support/freePort.js';
import { usePostgres } from '../support/usePostgres.js';

const WORKERS = 3;
const postgres = await usePostgres();

/** A cluster of workers behind one port, that serves. */
async function startCluster() {
  const port = await freePort();
  const app = fileURLToPath(new URL('clusterApp.ts', import.meta.url));
  const primary = spawn(process.execPath, ['--import', 'tsx', '--conditions=@tenure/source', app], {
    env: { ...process.env, PORT: String(port), DATABASE_URL: postgres.url },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let accepted = 0;
  createInterface(primary.stdout).on('line', () => accepted++);
  onTestFinished(() => void primary.kill('SIGKILL'));
  const exited = once(primary, 'exit');
  const workers = new Set<number>();
  /** Asks on a connection of its own. */
  const request = async () => {
    const response = await fetch(`http://127.0.0.1:${port}`, { headers: { connection: 'close' } });
    const [worker] = (await response.text()).split(' ');
    workers.add(Number(worker));
  };
  await expect
    .poll(async () => (await request().catch(() => {}), workers.size), { interval: 20, timeout: 30_000 })
    .toBe(WORKERS);
  return { primary, exited, workers: [...workers], request, accepted: () => accepted };
}

it('SIGTERM to one worker after the other, under load: no request fails', async () => {
  const { primary, exited, workers, request } = await startCluster();
  const load = useLoad(20, request);
  await sleep(500);
  for (const worker of workers.slice(1)) {
    process.kill(worker, 'SIGTERM');
    await sleep(500);
  }
  await load.stop();
  expect(load.outcomes.length).toBeGreaterThan(50);
  expect(failures(load.outcomes)).toEqual([]);
  process.kill(primary.pid!, 'SIGTERM');
  expect(await exited).toEqual([0, null]);
  await expect.poll(async () => (await postgres.activity()).length).toBe(0);
}, 60_000);

it('SIGTERM to the whole cluster with 120 requests in hand: each is answered, and nothing is left on the server', async () => {
  const { primary, exited, request, accepted } = await startCluster();
  const before = accepted();
  const asked = runCalls(120, 120, request);
  await expect.poll(accepted, { interval: 1 }).toBe(before + 120);
  process.kill(primary.pid!, 'SIGTERM');
  expect(failures(await asked)).toEqual([]);
  expect(await exited).toEqual([0, null]);
  await expect.poll(async () => (await postgres.activity()).length).toBe(0);
}, 60_000);
