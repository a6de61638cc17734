import { Pool } from '@tenure/core/pg';
import pg from 'pg';
import { afterEach } from 'vitest';
import type { PostgresServer } from '../../support/postgres.js';

export type PoolClass = new (config?: pg.PoolConfig) => pg.Pool;

/** The peer's own pool, which shows what is expected, and ours. */
export const CLASSES: [string, PoolClass][] = [
  ['pg.Pool', pg.Pool],
  ['the Pool of Tenure', Pool],
];

/** Makes pools on a server; what a test leaves open is closed after it. */
export function usePools({ url }: Pick<PostgresServer, 'url'>) {
  const pools: pg.Pool[] = [];
  afterEach(async () => {
    for (const pool of pools.splice(0)) {
      // Stock pools without a listener end the process when the server goes.
      pool.on('error', () => {});
      if (pool instanceof Pool) await pool.drain(0);
      else await settlesWithin(500, pool.end());
    }
  });
  return <P extends pg.Pool, O extends pg.PoolConfig>(PoolToTest: new (config?: O) => P, options?: O): P => {
    const pool = new PoolToTest({ connectionString: url, ...options } as O);
    pools.push(pool);
    return pool;
  };
}

export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Whether a promise settles within this time. */
export async function settlesWithin(ms: number, promise: Promise<unknown>): Promise<boolean> {
  const settled = promise.then(
    () => true,
    () => true,
  );
  return Promise.race([settled, sleep(ms).then(() => false)]);
}

/** The backend that serves a client. */
export async function pidOf(client: Pick<pg.ClientBase, 'query'>): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  return rows[0]!.pid;
}

/** Records pg-pool's five events in order, with the number of each client by its arrival. */
export function record(pool: pg.Pool): unknown[][] {
  const told: unknown[][] = [];
  const clients: unknown[] = [];
  const numbered = (value: unknown) => {
    if (!(value instanceof pg.Client)) return value;
    if (!clients.includes(value)) clients.push(value);
    return `client ${clients.indexOf(value) + 1}`;
  };
  for (const event of ['connect', 'acquire', 'release', 'remove', 'error'] as const) {
    pool.on(event, (...args: unknown[]) => {
      told.push([event, ...args.map(numbered)]);
    });
  }
  return told;
}
