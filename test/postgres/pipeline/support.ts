import type { PolicyOverrides } from '@tenure/core';
import { Pool } from '@tenure/core/pg';
import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, onTestFinished, vi } from 'vitest';
import { shortness } from '../../../packages/core/src/postgres/pipeline/shortRead.js';
import { SlowPlanDetector } from '../../../packages/core/src/postgres/statements/benefit.js';
import type { PostgresServer } from '../../support/postgres.js';

/** A machine that does other work takes long for everything: here only what waits on purpose is long. */
export function useSlowMachine(ms = 2_000): void {
  const { ...usual } = shortness;
  // Slow runs would begin a comparison with unprepared ones, which are not shared.
  beforeEach(() => void vi.spyOn(SlowPlanDetector.prototype, 'noteRun').mockReturnValue(false));
  beforeAll(() => void Object.assign(shortness, { ms, mostMs: ms, surpriseMs: 60_000 }));
  afterAll(() => void Object.assign(shortness, usual));
}

/** A pool whose reads share connections, and which prepares at the second use. */
export function openSharing(
  server: Pick<PostgresServer, 'url'>,
  { policy, ...options }: pg.PoolConfig & { policy?: PolicyOverrides } = {},
): Pool {
  const pool = new Pool({
    connectionString: server.url,
    max: 3,
    ...options,
    policy: { pipeline: 'reads', prepareThreshold: 2, ...policy },
  });
  pool.on('error', () => {});
  onTestFinished(() => pool.drain(0));
  return pool;
}

/** Runs a query on each connection of a pool, until it is known to be short. */
export async function makeShort(pool: Pool, text: string, values: unknown[]): Promise<void> {
  const { max } = pool.stats();
  const clients = await Promise.all(Array.from({ length: max }, () => pool.connect()));
  for (let n = 0; n < 30; n++) await Promise.all(clients.map((client) => client.query(text, values)));
  for (const client of clients) client.release();
}
