import { createPool, type PoolStats } from '@tenure/core';
import { Pool, pgConnector } from '@tenure/core/pg';
import { poolOf, tenure } from '@tenure/knex';
import { instrument } from '@tenure/otel';
import knex from 'knex';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';
import { type Prometheus, type Sample, usePrometheus, valuesOf } from './scrape.js';

const postgres = await usePostgres();
let prometheus: Prometheus;

beforeEach(async () => {
  prometheus = await usePrometheus();
});

afterEach(() => prometheus.shutdown());

/** The scrape's figures of a pool, in the form of its `stats()`. */
function asStats(samples: readonly Sample[], pool: string) {
  const of = (name: string) => valuesOf(samples, pool, name);
  const { passed = 0, failed = 0 } = of('tenure_pool_checks_total') as Record<string, number>;
  return {
    ...(of('db_client_connection_count') as object),
    ...(of('tenure_connection_transitional') as object),
    waiting: of('db_client_connection_pending_requests'),
    max: of('db_client_connection_max'),
    owners: of('tenure_pool_owners'),
    acquired: of('tenure_connection_acquired_total'),
    reusedShare: of('tenure_pool_reused_share'),
    opened: of('tenure_connection_opened_total'),
    openFailures: of('tenure_connection_open_failures_total'),
    closed: of('tenure_connection_closed_total'),
    timeouts: of('db_client_connection_timeouts_total'),
    refused: of('tenure_pool_refused_total'),
    checks: { done: passed + failed, failed },
    rolledBack: of('tenure_transaction_rolled_back_total'),
    epochs: of('tenure_pool_epochs_total'),
    statements: {
      hits: of('tenure_statement_hits_total'),
      prepared: of('tenure_statement_prepared_total'),
      evicted: of('tenure_statement_evicted_total'),
      invalidated: of('tenure_statement_invalidated_total'),
    },
  };
}

/** The same part of `stats()`. */
function partOf({
  poolName,
  serverAddress,
  serverPort,
  database,
  waitMs,
  policy,
  pooler,
  budget,
  statements,
  ...rest
}: PoolStats) {
  const { state, unprepared, ...counts } = statements!;
  return { ...rest, statements: counts };
}

function histogram(samples: readonly Sample[], pool: string, name: string) {
  const count = valuesOf(samples, pool, `db_client_connection_${name}_count`);
  const sum = valuesOf(samples, pool, `db_client_connection_${name}_sum`) as number;
  const buckets = valuesOf(samples, pool, `db_client_connection_${name}_bucket`) as Record<string, number>;
  return { count, sum, buckets };
}

describe('a scripted run', () => {
  it('shows in a scrape what stats() says, which is what the server has', async () => {
    const pool = new Pool({
      connectionString: postgres.url,
      application_name: 'scripted',
      max: 3,
      connectionTimeoutMillis: 3_000,
      policy: { name: 'orders', reuseConnections: 2, prepareThreshold: 1 },
    });
    const stop = instrument(pool, prometheus);
    const backends = new Set<number>();
    const clients = await Promise.all([pool.connect(), pool.connect(), pool.connect()]);
    for (const client of clients) backends.add((await client.query('select pg_backend_pid() as pid')).rows[0].pid);
    await expect(pool.connect()).rejects.toThrow('timeout');
    const [one, two, three] = clients;
    await one.query('begin');
    one.release();
    two.release(true);
    for (let i = 0; i < 10; i++) await three.query('select $1::int', [i]);
    three.release();
    for (let i = 0; i < 20; i++) backends.add((await pool.query('select pg_backend_pid() as pid')).rows[0].pid);
    const held = await pool.connect();
    const own = { applicationName: 'scripted' };
    const idle = (await postgres.activity(own)).filter(({ pid }) => pid !== processIdOf(held));
    for (const { pid } of idle) await postgres.terminateBackends({ pid });
    await expect.poll(() => pool.stats().closed.broken).toBe(idle.length);

    const samples = await prometheus.scrape();
    const stats = pool.stats();
    expect(asStats(samples, 'orders')).toEqual(partOf(stats));
    // The figures of the script's work.
    expect(stats).toMatchObject({ used: 1, timeouts: 1, rolledBack: 1, closed: { discarded: 1, broken: idle.length } });
    expect(idle.length).toBeGreaterThan(0);
    expect(valuesOf(samples, 'orders', 'db_client_connection_idle_max')).toBe(2);
    expect(valuesOf(samples, 'orders', 'db_client_connection_idle_min')).toBe(0);
    // The server's sessions.
    const sessions = await postgres.activity(own);
    const counts = valuesOf(samples, 'orders', 'db_client_connection_count') as Record<string, number>;
    expect(sessions).toHaveLength(counts.idle! + counts.used!);
    expect(backends.size).toBe(valuesOf(samples, 'orders', 'tenure_connection_opened_total'));
    // One duration for each event.
    expect(histogram(samples, 'orders', 'create_time').count).toBe(stats.opened);
    expect(histogram(samples, 'orders', 'wait_time').count).toBe(stats.acquired);
    expect(histogram(samples, 'orders', 'use_time').count).toBe(stats.acquired - 1);
    held.release();
    await pool.end();
    stop();
  });

  it('times waits and uses in seconds, in the buckets that the conventions advise', async () => {
    const pool = createPool(pgConnector(postgres.url), { name: 'timed', maxConnections: 1 });
    const stop = instrument(pool, prometheus);
    const client = await pool.acquire();
    const waiting = pool.acquire();
    await client.query('select pg_sleep(0.2)');
    pool.release(client);
    pool.release(await waiting);
    const samples = await prometheus.scrape();
    const wait = histogram(samples, 'timed', 'wait_time');
    const use = histogram(samples, 'timed', 'use_time');
    const bounds = Object.keys(wait.buckets).map((bound) => Number(bound.replace('+Inf', 'Infinity')));
    expect(bounds.sort((a, b) => a - b)).toEqual([
      0.001,
      0.005,
      0.01,
      0.05,
      0.1,
      0.5,
      1,
      5,
      10,
      Number.POSITIVE_INFINITY,
    ]);
    expect(wait.sum).toBeGreaterThan(0.2);
    expect(wait.sum).toBeLessThan(20);
    expect(wait.buckets['0.1']).toBeLessThan(2);
    expect(use.sum).toBeGreaterThan(0.2);
    expect(use.count).toBe(2);
    await pool.drain();
    stop();
  });
});

describe('two pools on one server', () => {
  it('do not mix, also where neither has a name', async () => {
    const pools = [1, 2].map(() => createPool(pgConnector(postgres.url), { maxConnections: 4 }));
    const stops = pools.map((pool) => instrument(pool, prometheus));
    const [first, second] = pools as [(typeof pools)[0], (typeof pools)[0]];
    const held = await Promise.all([first.acquire(), first.acquire(), first.acquire()]);
    await second.use((client) => client.query('select 1'));
    const samples = await prometheus.scrape();
    const { poolName } = first.stats();
    expect(poolName).toBe(`${postgres.host}:${postgres.port}/${postgres.database}`);
    expect(asStats(samples, poolName)).toEqual(partOf(first.stats()));
    expect(asStats(samples, `${poolName}#2`)).toEqual(partOf(second.stats()));
    expect(asStats(samples, poolName)).toMatchObject({ used: 3, idle: 0, acquired: 3 });
    expect(asStats(samples, `${poolName}#2`)).toMatchObject({ used: 0, idle: 1, acquired: 1 });
    for (const client of held) first.release(client);
    await Promise.all(pools.map((pool) => pool.drain()));
    for (const stop of stops) stop();
  });
});

describe('stopping', () => {
  it('counts nothing from then on', async () => {
    const pool = createPool(pgConnector(postgres.url), { name: 'stopped' });
    const stop = instrument(pool, prometheus);
    await pool.use(() => {});
    stop();
    await pool.use(() => {});
    const samples = await prometheus.scrape();
    expect(histogram(samples, 'stopped', 'wait_time').count).toBe(1);
    expect(valuesOf(samples, 'stopped', 'tenure_connection_acquired_total')).toBeUndefined();
    await pool.drain();
  });
});

it('a pool behind Knex is published with a connection that only a function has, once that is known', async () => {
  const db = knex(tenure({ client: 'pg', connection: async () => ({ connectionString: postgres.url }) }));
  const stop = instrument(poolOf(db), prometheus);
  expect((await prometheus.scrape()).filter(({ name }) => name.startsWith('db_client'))).toEqual([]);
  await db.raw('select 1');
  const name = `${postgres.host}:${postgres.port}/${postgres.database}`;
  const samples = await prometheus.scrape();
  expect(asStats(samples, name)).toEqual(partOf(poolOf(db).stats()));
  expect(histogram(samples, name, 'wait_time').count).toBe(1);
  await db.destroy();
  stop();
});

function processIdOf(client: object): unknown {
  return (client as { processID?: unknown }).processID;
}
