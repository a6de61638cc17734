import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Pool } from '@tenure/core/pg';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';
import { usePools } from './support.js';

const postgres = await usePostgres();
const make = usePools(postgres);
const SERVED = `served ${Array(4).fill('1 2 3').join(' ')}\n`;
const realSleep = sleep;

function app(...args: string[]) {
  const script = fileURLToPath(new URL('fakeTimersScript.ts', import.meta.url));
  const flags = ['--import=tsx', '--conditions=@tenure/source', script, postgres.url];
  return promisify(execFile)(process.execPath, [...flags, ...args], { timeout: 25_000 });
}

describe.each(['sinon', 'only timers and clocks'])('under the fake timers of sinon (%s)', (fakes) => {
  describe.each(['before', 'after'])('put in place %s the app is loaded', (when) => {
    it.each(['Pool', 'Knex', 'Prisma'])('%s serves, from each kind of connection and in line', async (client) => {
      expect((await app(fakes, when, client)).stdout).toBe(SERVED);
    });
  });
});

describe("under Vitest's", () => {
  afterEach(() => void vi.useRealTimers());

  it('a Pool serves and checks, finds the dead, and times nothing out that is not over', async () => {
    vi.useFakeTimers();
    const pool = make(Pool, { max: 1, application_name: 'faked', policy: { healthBypassMs: 10 } });
    pool.on('error', () => {});
    for (let n = 0; n < 5; n++) {
      await pool.query('select 1');
      await realSleep(15);
      vi.advanceTimersByTime(3_600_000);
      vi.setSystemTime(new Date('2040-01-01'));
    }
    expect(pool.stats()).toMatchObject({ opened: 1, timeouts: 0 });
    await postgres.terminateBackends({ applicationName: 'faked' });
    await pool.query('select 1');
    expect(pool.stats()).toMatchObject({ opened: 2 });
  });

  it('a caller is refused when its time is really up', async () => {
    const pool = make(Pool, { max: 1, connectionTimeoutMillis: 100 });
    const client = await pool.connect();
    vi.useFakeTimers();
    await expect(pool.query('select 1')).rejects.toMatchObject({ code: 'TENURE_ACQUIRE_TIMEOUT' });
    client.release();
  });

  it('what a client gave up on is cancelled', async () => {
    const pool = make(Pool, { max: 1 });
    await pool.query('select 1');
    vi.useFakeTimers();
    const given = { text: 'select pg_sleep(30)', query_timeout: 1_000 } as { text: string };
    const outcome = pool.query(given).catch((error: Error) => error.message);
    await realSleep(100);
    vi.advanceTimersByTime(1_000);
    expect(await outcome).toBe('Query read timeout');
    await pool.query('select 1');
    expect(pool.stats().opened).toBe(1);
  });
});
