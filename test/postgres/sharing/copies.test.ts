import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
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
  it('share a pool, and understand each other’s errors', async () => {
    const settings = { ...own(), max: 1, connectionTimeoutMillis: 1_000 };
    const copy = await anotherCopy();
    expect(copy.Pool).not.toBe(core.Pool);
    const first = new core.Pool(settings);
    const second = new copy.Pool(settings);
    const client = await first.connect();
    await expect(second.query('select 1')).rejects.toMatchObject({
      code: 'TENURE_ACQUIRE_TIMEOUT',
      message: expect.stringMatching(/^timeout exceeded when trying to connect/),
    });
    client.release();
    const heard = vi.fn();
    second.on('error', heard);
    await second.query(`set work_mem = '9MB'`);
    expect((await first.query('show work_mem')).rows).toEqual([{ work_mem: '4MB' }]);
    await second.query('select 1');
    expect(second.stats()).toMatchObject({ owners: 2, opened: 1 });
    await postgres.terminateBackends({ applicationName: settings.application_name! });
    await expect.poll(() => heard.mock.calls.length).toBe(1);
    await first.end();
    await second.query('select 1');
    await second.end();
    await expect(second.query('select 1')).rejects.toMatchObject({
      message: 'Cannot use a pool after calling end on the pool',
    });
    await expect.poll(() => backends(settings)).toEqual([]);
  });
});

describe('The registry', () => {
  it('has no password, host or user in the clear', async () => {
    const settings = { ...own(), ssl: false, options: '-c search_path=hunter2' };
    await new core.Pool(settings).query('select 1');
    const shown = JSON.stringify(
      [...registry().listings].map(([key, { fingerprint, site }]) => {
        return [key, fingerprint.key, fingerprint.target, [...fingerprint.settings], site];
      }),
    );
    expect(shown.length).toBeGreaterThan(100);
    for (const secret of [postgres.password, 'hunter2', '127.0.0.1', settings.application_name!]) {
      expect(shown).not.toContain(JSON.stringify(secret));
      expect(shown).not.toContain(`${secret}@`);
    }
    expect(shown).not.toContain('hunter2');
    expect(shown).not.toContain('127.0.0.1');
  });
});

describe('A pool that the app has forgotten', () => {
  const forget = async (settings: pg.PoolConfig) => {
    await new core.Pool(settings).query('select 1');
  };

  it('can be collected while others use its connections', async () => {
    const settings = own();
    const kept = new core.Pool(settings);
    await kept.query('select 1');
    const useAndForget = async () => {
      const forgotten = Array.from({ length: 10 }, () => new core.Pool(settings));
      await Promise.all(forgotten.map((pool) => pool.query('select 1')));
      expect([kept.stats().owners, forgotten.length]).toEqual([11, 10]);
    };
    await useAndForget();
    await expect.poll(() => (collectGarbage(), kept.stats().owners), { timeout: 10_000 }).toBe(1);
    await kept.end();
  });

  it('can be collected although it made the pool; the last one closes it', async () => {
    const settings = own();
    for (let n = 0; n < 3; n++) await forget(settings);
    expect(await backends(settings)).toHaveLength(1);
    await expect.poll(() => (collectGarbage(), backends(settings)), { timeout: 10_000 }).toEqual([]);
    await forget(settings);
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
