import { Pool } from '@tenure/core/pg';
import { describe, expect, it } from 'vitest';
import { serverWithFates } from '../../support/slowServer.js';
import { usePostgres } from '../../support/usePostgres.js';
import { pidOf, usePools } from './support.js';

const GIVEN_UP = 200;

const postgres = await usePostgres();
const make = usePools(postgres);

/** A slow machine may need more time for a cancel than a check may take. */
const policy = { healthTimeoutMs: 10_000 };

/** The client gives up; the server goes on. */
const givenUp = (seconds: number) => ({ text: 'select pg_sleep($1)', values: [seconds], query_timeout: 15 });
const timedOut = { message: 'Query read timeout' };

describe('a query that the client gave up on', () => {
  it('is cancelled, and its connection kept', async () => {
    const pool = make(Pool, { max: 1, policy });
    const first = await pidOf(pool);
    await expect(pool.query(givenUp(30))).rejects.toMatchObject(timedOut);
    expect(await pidOf(pool)).toBe(first);
    expect(await postgres.activity({ state: 'active' })).toEqual([]);
    expect(pool.stats()).toMatchObject({ opened: 1, closed: { broken: 0 } });
  });

  it(`never has a later query cancelled, ${GIVEN_UP} times on ten connections`, async () => {
    const pool = make(Pool, { max: 10, policy });
    const giveUpAndGoOn = async (_: unknown, index: number) => {
      // Some end by themselves just when their cancel is sent, or before the time limit is seen to be over; some never would.
      const query = pool.query(givenUp(index % 3 ? 0.2 + 0.003 * (index % 10) : 30));
      await query.catch((error) => expect(error).toMatchObject(timedOut));
      await pool.query('select pg_sleep(0.003)');
    };
    await Promise.all(Array.from({ length: GIVEN_UP }, giveUpAndGoOn));
    await expect.poll(() => pool.stats()).toMatchObject({ used: 0, busy: 0, opened: 10, closed: { broken: 0 } });
    expect(await postgres.activity({ state: 'active' })).toEqual([]);
  });

  it('has its connection dropped when no cancel gets through', async () => {
    const { port } = await serverWithFates(postgres, ['passed on', 'silence']);
    const pool = make(Pool, {
      port,
      connectionString: '',
      host: '127.0.0.1',
      user: 'app',
      password: 'app',
      database: 'app',
      max: 1,
    });
    await expect(pool.query(givenUp(5))).rejects.toMatchObject(timedOut);
    await expect.poll(() => pool.stats(), { timeout: 5_000 }).toMatchObject({ closed: { broken: 1 }, used: 0 });
  });
});

describe("the app's own set-up", () => {
  it('is never cancelled, however long it takes', async () => {
    const config = { max: 1, policy: { reset: 'session' as const } };
    const pool = make(Pool, {
      ...config,
      onConnect: async (client: Client) => void (await client.query('select pg_sleep(0.4)')),
    });
    pool.on('connect', (client) => void client.query("select pg_sleep(0.4), set_config('work_mem', '7MB', false)"));
    for (let use = 0; use < 2; use++) await pool.query('select 1');
    expect(pool.stats()).toMatchObject({ opened: 1, closed: { broken: 0 } });
  });
});

type Client = { query(sql: string): Promise<unknown> };
