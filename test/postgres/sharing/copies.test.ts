import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as core from '@tenure/core/pg';
import type pg from 'pg';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { registry } from '../../../packages/core/src/postgres/sharing/registry.js';
import { usePostgres } from '../../support/usePostgres.js';

const postgres = await usePostgres();
type Core = typeof core;

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

let tests = 0;
const own = (): pg.PoolConfig => ({ connectionString: postgres.url, application_name: `copies ${++tests}`, max: 3 });
const backends = async ({ application_name: applicationName }: pg.PoolConfig) =>
  (await postgres.activity({ applicationName: applicationName! })).map(({ pid }) => pid);

beforeEach(() => {
  vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
});

/** The package once more, as an isolated module registry or a second installation has it. */
async function anotherCopy(): Promise<Core> {
  vi.resetModules();
  return import('@tenure/core/pg');
}

describe('A module that is evaluated 30 times, and never closes its pool', () => {
  it('has the connections of one pool', async () => {
    const settings = own();
    // Vitest gives the app's modules a fresh copy of Tenure too: `pg`, which it leaves to Node, stays the same.
    for (let n = 0; n < 30; n++) {
      const { Pool } = n % 2 === 0 ? await anotherCopy() : core;
      await new Pool(settings).query('select 1');
    }
    expect(await backends(settings)).toHaveLength(1);
  });
});

describe('Copies of the package', () => {
  it('have one limit for a place of the app', async () => {
    const settings = { ...own(), max: 2 };
    const copy = await anotherCopy();
    expect(copy.Pool).not.toBe(core.Pool);
    const makePool = (Pool: Core['Pool']) => new Pool(settings);
    const pools: core.Pool[] = [];
    for (const Pool of [core.Pool, copy.Pool]) {
      pools.push(makePool(Pool));
      await new Promise(setImmediate);
    }
    const [first, second] = pools as [core.Pool, core.Pool];
    const held = await Promise.all([first.connect(), first.connect()]);
    const late = second.query('select 1 as served');
    await held[0].query('select pg_sleep(0.05)');
    expect(await backends(settings)).toHaveLength(2);
    for (const client of held) client.release();
    expect((await late).rows).toEqual([{ served: 1 }]);
    expect(second.stats()).toMatchObject({ owners: 2, used: 0 });
    await Promise.all(pools.map((pool) => pool.end()));
    await expect.poll(() => backends(settings)).toEqual([]);
  });
});

describe('The registry', () => {
  it('has no password, host or user in the clear', async () => {
    const settings = { ...own(), ssl: false, options: '-c search_path=hunter2' };
    await new core.Pool(settings).query('select 1');
    const shown = inspect(registry(), { depth: 10, showHidden: true });
    const secrets = [postgres.password, 'hunter2', '127.0.0.1', settings.application_name!, `${postgres.user}@`];
    for (const secret of secrets) expect(shown).not.toContain(secret);
  });
});

describe('A pool that the app has forgotten', () => {
  const forget = async (settings: pg.PoolConfig) => {
    await new core.Pool(settings).query('select 1');
  };

  it('can be collected, and closes', async () => {
    const settings = own();
    for (let n = 0; n < 3; n++) await forget(settings);
    expect(await backends(settings)).toHaveLength(1);
    await expect.poll(() => (collectGarbage(), backends(settings)), { timeout: 10_000 }).toEqual([]);
    await forget(settings);
  });

  it('leaves the limit to the others', async () => {
    const settings = own();
    const use = async () => {
      const pool = new core.Pool(settings);
      await pool.query('select 1');
      return pool;
    };
    const useAndForget = async (kept: core.Pool[], n: number) => {
      const pool = await use();
      if (n === 0) kept.push(pool);
      else expect(pool.stats().owners).toBeGreaterThan(1);
    };
    const kept: core.Pool[] = [];
    for (let n = 0; n < 11; n++) await useAndForget(kept, n);
    await expect.poll(() => (collectGarbage(), kept[0]!.stats().owners), { timeout: 10_000 }).toBe(1);
    await kept[0]!.end();
  });

  it('stays as long as one of its clients is in use', async () => {
    const settings = own();
    const client = await (() => new core.Pool(settings).connect())();
    for (let turn = 0; turn < 5; turn++) {
      collectGarbage();
      await client.query('select pg_sleep(0.02)');
    }
    client.release();
  });
});

// A module as hot reload evaluates it: the same file, under another name each time.
describe('Hot reload of an ES module', () => {
  it('leaves the connections of one pool', async () => {
    const settings = own();
    const file = join(import.meta.dirname, `.reloaded-${process.pid}.mjs`);
    const { rm } = await import('node:fs/promises');
    onTestFinished(() => rm(file, { force: true }));
    await writeFile(file, `export const make = (Pool, settings) => new Pool(settings);`);
    for (let n = 0; n < 30; n++) {
      const { make } = await import(/* @vite-ignore */ `${pathToFileURL(file)}?t=${n}`);
      await make(core.Pool, settings).query('select 1');
    }
    expect(await backends(settings)).toHaveLength(1);
  });
});
