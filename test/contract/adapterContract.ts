import { setTimeout as sleep } from 'node:timers/promises';
import type { PolicyOverrides, PoolStats } from '@tenure/core';
import { afterEach, describe, expect, it } from 'vitest';
import { listenAndCount, reset, staySilent } from '../support/countingListener.js';
import type { PostgresServer } from '../support/postgres.js';
import { type AdapterStage, directStage, type Target } from './adapterStage.js';
import { failures, runCalls } from './load.js';
import { useLoad } from './useLoad.js';

export type Query = (sql: string) => Promise<unknown>;

/** The part of an adapter that the contract needs. */
export interface Adapter {
  /** Runs SQL on any connection; a text may contain several statements. */
  query: Query;
  transaction(work: (query: Query) => Promise<unknown>): Promise<unknown>;
  stats(): PoolStats;
  destroy(): Promise<unknown>;
  /** Tells of every connection that is lent, and of every one that comes back, where the adapter can. */
  watchLending?(lent: (connection: object) => void, returned: (connection: object) => void): void;
}

export type OpenAdapter = (target: Target, policy: PolicyOverrides) => Adapter;

export { killUnheard, type Target } from './adapterStage.js';

/** The contract of every adapter, on a real server, directly or through a pooler. */
export function adapterContract(
  postgres: PostgresServer,
  openAdapter: OpenAdapter,
  stage: AdapterStage = directStage(postgres),
): void {
  const open: Adapter[] = [];
  afterEach(() => Promise.all(open.splice(0).map((adapter) => adapter.destroy())));

  const connect = (policy: PolicyOverrides = {}, target: Partial<Target> = {}): Adapter => {
    const adapter = openAdapter({ ...stage.target, ...target }, policy);
    open.push(adapter);
    return adapter;
  };

  /** A pool with this many connections open, all idle. */
  const warm = async (
    connections: number,
    policy: PolicyOverrides = {},
    target: Partial<Target> = {},
  ): Promise<Adapter> => {
    const adapter = connect({ maxConnections: connections, ...policy }, target);
    const useAll = async () => {
      await runCalls(connections, connections, () => adapter.query('select pg_sleep(0.05)'));
      return adapter.stats();
    };
    // A slow machine may have served the last with the connection of the first.
    await expect.poll(useAll).toMatchObject({ idle: connections, opened: connections });
    return adapter;
  };

  describe('errors of SQL', () => {
    it('cost no connection: 1,000 inserts that violate a unique key open none', async () => {
      const adapter = await warm(5);
      await adapter.query('create table if not exists taken (id int primary key)');
      await adapter.query('insert into taken values (1) on conflict do nothing');
      const before = await stage.connections();
      const outcomes = await runCalls(1_000, 10, () => adapter.query('insert into taken values (1)'));
      expect(failures(outcomes)).toHaveLength(1_000);
      expect(await stage.connections()).toEqual(before);
      expect(adapter.stats()).toMatchObject({ opened: 5, idle: 5 });
    });
  });

  describe('a transaction left open by raw SQL', () => {
    it('is rolled back, and counted, before the next borrower gets the connection', async () => {
      const adapter = await warm(1);
      await adapter.query('create table if not exists things (id int primary key, size int)');
      await adapter.query('insert into things values (1, 1) on conflict (id) do update set size = 1');
      await adapter.query('begin; update things set size = 2 where id = 1');
      // Nobody else may hold the row, nor may the change be seen.
      await postgres.admin(`set lock_timeout = '1s'; update things set size = size + 10 where id = 1`);
      expect(await postgres.admin('select size from things')).toEqual([{ size: 11 }]);
      await adapter.query('select 1');
      for (const { state } of await postgres.activity()) expect(state).toBe('idle');
      expect(adapter.stats()).toMatchObject({ rolledBack: 1, opened: 1 });
    });
  });

  describe('connections that the server has ended', () => {
    it('are not handed out: all idle ones killed, and at once 100 queries, of which none fails', async () => {
      const adapter = await warm(10);
      stage.killUnheard();
      const outcomes = await runCalls(100, 10, () => adapter.query('select 1'));
      expect(failures(outcomes)).toEqual([]);
      expect(adapter.stats().closed.broken + adapter.stats().closed['failed-check']).toBe(10);
    });

    it('or which answer no more, are replaced after one check', async () => {
      const healthTimeoutMs = 300;
      const adapter = await warm(3, { healthTimeoutMs }, stage.fragile);
      stage.silence(await stage.connections());
      await sleep(600); // longer than a connection counts as fresh
      const outcomes = await runCalls(30, 3, () => adapter.query('select 1'));
      expect(failures(outcomes)).toEqual([]);
      expect(Math.max(...outcomes.map(({ tookMs }) => tookMs))).toBeLessThan(healthTimeoutMs + 2_000);
      expect(adapter.stats().closed['failed-check']).toBe(3);
    });

    it('fail the transaction they are in, and nothing else', async () => {
      const adapter = await warm(2);
      const killed = adapter.transaction(async (query) => {
        await query('select 1');
        await postgres.terminateBackends({ state: 'idle in transaction' });
        await query('select 2');
      });
      await expect(killed).rejects.toThrow();
      expect(failures(await runCalls(20, 4, () => adapter.query('select 1')))).toEqual([]);
      expect(adapter.stats()).toMatchObject({ used: 0, waiting: 0 });
    });
  });

  it.for(stage.restarts)(
    'a server that restarts under load (%s) fails what is in flight, hangs nothing, and is found again at once',
    async (mode) => {
      const acquireTimeoutMs = 5_000;
      const adapter = await warm(5, { acquireTimeoutMs });
      const load = useLoad(10, () => adapter.query('select pg_sleep(0.01)'));
      await sleep(300);
      await postgres.stopServer(mode);
      const stoppedAt = performance.now();
      await sleep(1_000);
      await postgres.startServer();
      const readyAt = performance.now();
      await sleep(2_000);
      await load.stop();

      const isEarly = ({ beganAt, tookMs }: { beganAt: number; tookMs: number }) => beganAt + tookMs < readyAt;
      expect(failures(load.outcomes.filter((outcome) => !isEarly(outcome) && outcome.beganAt > readyAt))).toEqual([]);
      expect(Math.max(...load.outcomes.map(({ tookMs }) => tookMs))).toBeLessThan(acquireTimeoutMs + 1_000);
      // Ten callers, five connections: no more can have been in flight, and those who wait are served when the server is back.
      expect(failures(load.outcomes).length).toBeLessThanOrEqual(10);
      const successes = load.outcomes
        .filter(({ error }) => error === undefined)
        .map(({ beganAt, tookMs }) => beganAt + tookMs);
      const first = Math.min(...successes.filter((at) => at > stoppedAt + 50));
      expect(first - readyAt).toBeLessThan(1_000);
      expect(adapter.stats()).toMatchObject({ used: 0, waiting: 0 });
    },
  );

  describe('a server that refuses us', () => {
    it('is asked once: all who wait for it hear its own words at once', async () => {
      const adapter = connect({ maxConnections: 10 }, { password: 'wrong' });
      const attempts = () => stage.log().split(stage.refusalInLog).length - 1;
      const before = attempts();
      const outcomes = await runCalls(20, 20, () => adapter.query('select 1'));
      const words = failures(outcomes).map((error) => String(error));
      expect(words).toHaveLength(20);
      for (const word of words) expect(word).toContain(stage.refusal);
      expect(Math.max(...outcomes.map(({ tookMs }) => tookMs))).toBeLessThan(2_000);
      // The server writes its log by itself.
      await expect.poll(() => attempts() - before).toBe(1);
      expect(adapter.stats()).toMatchObject({ openFailures: 1, waiting: 0 });
    });
  });

  if (stage.isDirect) serverDown(connect);

  describe('the maximum age', () => {
    it('of 0 closes a connection after each use', async () => {
      const adapter = connect({ maxAgeMs: 0 });
      for (let i = 0; i < 5; i++) await adapter.query('select 1');
      await expect.poll(stage.connections).toEqual([]);
      expect(adapter.stats()).toMatchObject({ opened: 5, acquired: 5, reusedShare: 0, closed: { 'max-age': 5 } });
    });

    it('of "none" never does', async () => {
      const adapter = connect({ maxAgeMs: 'none' });
      for (let i = 0; i < 50; i++) await adapter.query('select 1');
      expect(await stage.connections()).toHaveLength(1);
      expect(adapter.stats()).toMatchObject({ opened: 1, acquired: 50, reusedShare: 0.98 });
    });

    it('is kept while idle', async () => {
      const adapter = connect({ maxAgeMs: 500 });
      await adapter.query('select 1');
      expect(adapter.stats()).toMatchObject({ idle: 1 });
      await expect.poll(stage.connections, { timeout: 2_000 }).toEqual([]);
      expect(adapter.stats()).toMatchObject({ closed: { 'max-age': 1 } });
    });
  });

  it('keeps to its maximum', async () => {
    const adapter = connect({ maxConnections: 3 });
    let most = 0;
    const load = useLoad(20, () => adapter.query('select pg_sleep(0.01)'));
    for (let look = 0; look < 20; look++) most = Math.max(most, (await stage.connections()).length);
    await load.stop();
    expect(most).toBe(3);
  });

  it('may be destroyed twice, and closes everything', async () => {
    const adapter = await warm(3);
    await Promise.all([adapter.destroy(), adapter.destroy()]);
    await adapter.destroy();
    await expect.poll(stage.connections).toEqual([]);
  });
}

/** No server is reached, and no pooler. */
function serverDown(connect: (policy: PolicyOverrides, target: Partial<Target>) => Adapter): void {
  describe('a server that is down', () => {
    it('gets at most three attempts to connect per second, and callers hear that it is unreachable', async () => {
      const listener = await listenAndCount(reset);
      const adapter = connect({ acquireTimeoutMs: 2_000, maxConnections: 10 }, listener);
      const outcomes = await runCalls(50, 50, () => adapter.query('select 1'));
      expect(listener.accepted()).toBeGreaterThan(2);
      expect(listener.accepted()).toBeLessThanOrEqual(3 * 2);
      for (const { error, tookMs } of outcomes) {
        expect(String(error)).toMatch(/unreachable.*(ECONNRESET|terminated)/s);
        expect(tookMs).toBeLessThan(3_000);
      }
    });

    it('is known to be after as long as a caller may wait: then callers hear it at once', async () => {
      const listener = await listenAndCount(reset);
      const adapter = connect({ acquireTimeoutMs: 1_000 }, listener);
      await runCalls(2, 1, () => adapter.query('select 1'));
      const [outcome] = await runCalls(1, 1, () => adapter.query('select 1'));
      expect(String(outcome?.error)).toContain('unreachable');
      expect(outcome?.tookMs).toBeLessThan(100);
    });

    it('leaves no half-open connect behind when it is silent', async () => {
      const listener = await listenAndCount(staySilent);
      const adapter = connect({ connectTimeoutMs: 300, acquireTimeoutMs: 1_000 }, listener);
      const outcomes = await runCalls(10, 10, () => adapter.query('select 1'));
      expect(failures(outcomes)).toHaveLength(10);
      await adapter.destroy();
      await expect.poll(listener.connected, { timeout: 2_000 }).toBe(0);
    });
  });
}
