import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { openPool } from '../contract/openPool.js';
import { useLoad } from '../contract/useLoad.js';
import { useProxy } from '../support/proxy/useProxy.js';
import { usePostgres } from '../support/usePostgres.js';
import { mostWithin } from './contract/downtime.js';
import { Stages } from './contract/stage.js';
import type * as Reloaded from './reloadedModule.js';

const postgres = await usePostgres({ maxConnections: 100 });
const stages = new Stages(postgres, openPool);

/** The moments at which connects begin from now on. A proxy sees some of them late. */
function noteConnects(): number[] {
  const began: number[] = [];
  const connections = pg.Connection.prototype as unknown as { connect(...to: unknown[]): void };
  const { connect } = connections;
  vi.spyOn(connections, 'connect').mockImplementation(function (this: unknown, ...to) {
    began.push(performance.now());
    return connect.apply(this, to);
  });
  return began;
}

/** When this process went on after it had stood still for longer than this. */
function noteStandstills(longerThanMs: number): number[] {
  const ends: number[] = [];
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    if (now - last > longerThanMs) ends.push(now);
    last = now;
  }, 20);
  onTestFinished(() => clearInterval(timer));
  return ends;
}

describe('20 connections born together, CONN_MAX_AGE=2, steady load', () => {
  it('at most 2 are opened in any 100 ms, none above the maximum', async () => {
    const { app, proxy } = await stages.warm(20, { maxAgeMs: 2_000, reuseConnections: 20 });
    const opened = noteConnects();
    const standstills = noteStandstills(300);
    const load = useLoad(20, () => app.query('select pg_sleep(0.01)'));
    await sleep(6_000);
    await load.stop();
    // A load that stood still for a quarter of the age was not steady: who rested for that long goes without a successor.
    const inSteadyUse = opened.filter((at) => !standstills.some((end) => at > end - 50 && at < end + 1_000));
    const most = mostWithin(100, inSteadyUse);
    console.info(`born together: ${opened.length} opened in 6 s, ${most} in the fullest 100 ms`);
    expect(app.complaints).toEqual([]);
    expect(opened.length).toBeGreaterThanOrEqual(20);
    expect(most).toBeLessThanOrEqual(2);
    expect(proxy.mostOpen).toBeLessThanOrEqual(20);
  });
});

describe('process stopped 4 s while its sessions die silently, then continued', () => {
  it('of 20 queries at once none fails', async () => {
    const healthTimeoutMs = 500;
    const proxy = await useProxy(postgres);
    const { user, password, database } = postgres;
    const child = spawn(
      process.execPath,
      [
        ...['--import', 'tsx', '--conditions=@tenure/source', fileURLToPath(new URL('frozenApp.ts', import.meta.url))],
        ...[proxy.host, proxy.port, user, password, database, healthTimeoutMs].map(String),
      ],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    onTestFinished(() => void child.kill('SIGKILL'));
    const exited = once(child, 'exit');
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    expect((await lines.next()).value).toBe('warm');
    child.kill('SIGSTOP');
    proxy.freeze();
    await sleep(4_000);
    child.stdin.write('go\n');
    child.kill('SIGCONT');
    const { failed, longestMs } = JSON.parse((await lines.next()).value ?? '{}');
    console.info(`stopped and continued: the longest of 20 queries took ${Math.round(longestMs)} ms`);
    expect(failed).toEqual([]);
    expect(longestMs).toBeLessThan(2 * healthTimeoutMs);
    expect(await exited).toEqual([0, null]);
    await expect.poll(() => proxy.open).toBe(0);
  });
});

describe('module evaluated 30 times without closing, one query each', () => {
  it('the server has the connections of one pool', async () => {
    process.env.RELOADED_URL = postgres.url;
    const modules: (typeof Reloaded)[] = [];
    onTestFinished(async () => {
      await Promise.all(modules.flatMap(({ pool, db }) => [pool.drain(1_000), db.destroy()]));
      await expect.poll(async () => (await postgres.activity()).length).toBe(0);
    });
    for (let i = 0; i < 30; i++) {
      const module = (await import(/* @vite-ignore */ `./reloadedModule.ts?evaluation=${i}`)) as typeof Reloaded;
      modules.push(module);
      await Promise.all([module.pool.query('select 1'), module.db.raw('select 1')]);
    }
    expect(new Set(modules.map(({ pool }) => pool)).size).toBe(30);
    const open = async (applicationName: string) => (await postgres.activity({ applicationName })).length;
    expect([await open('reloaded pool'), await open('reloaded knex')]).toEqual([1, 1]);
    await Promise.all(
      modules.flatMap(({ pool, db }) => [pool.query('select pg_sleep(0.1)'), db.raw('select pg_sleep(0.1)')]),
    );
    expect(await open('reloaded pool')).toBeLessThanOrEqual(5);
    expect(await open('reloaded knex')).toBeLessThanOrEqual(5);
  });
});
