import { EventEmitter } from 'node:events';
import { Pool } from '@tenure/core/pg';
import pg from 'pg';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';
import { failure } from '../session/support.js';
import { CLASSES, pidOf, usePools } from './support.js';

const postgres = await usePostgres();
const make = usePools(postgres);
const TENANT = `select current_setting('app.tenant', true) as tenant`;
const tenantOf = async (pool: Pick<pg.Pool, 'query'>) => (await pool.query(TENANT)).rows[0].tenant;

/** Sets a tenant for each caller that takes a client, in the forms that apps use: callback and promise. */
function forTenants(Base: new (config?: pg.PoolConfig) => pg.Pool) {
  return class extends Base {
    tenant = 'none';
    override connect(callback?: unknown): never {
      const setUp = async (client: pg.PoolClient) => {
        await client.query(`set app.tenant = '${this.tenant}'`);
        return client;
      };
      if (!callback) return super.connect().then(setUp) as never;
      const called = callback as (error: unknown, client?: pg.PoolClient, release?: unknown) => void;
      super.connect((error, client, release) => {
        if (error || !client) return called(error);
        setUp(client).then(() => called(undefined, client, release), called);
      });
      return undefined as never;
    }
  };
}

describe.each(CLASSES)('pool.query of %s goes through `connect`', (_, Base) => {
  it('of a subclass, so that each query has the tenant of its moment', async () => {
    const pool = make(forTenants(Base), { max: 1 });
    for (const tenant of ['one', 'two']) {
      pool.tenant = tenant;
      expect(await tenantOf(pool)).toBe(tenant);
      const client = await (pool as pg.Pool).connect();
      expect(await tenantOf(client)).toBe(tenant);
      client.release();
    }
  });

  it('of an instance', async () => {
    const pool = make(Base, { max: 1 });
    const connect = vi.fn(pool.connect);
    pool.connect = connect as never;
    await pool.query('select 1');
    await new Promise<void>((resolve) => pool.query('select 1', () => resolve()));
    expect(connect).toHaveBeenCalledTimes(2);
  });

  it("of pg-pool's prototype, replaced after the pool was made, which also sees each connect", async () => {
    const pool = make(Base, { max: 1 });
    const connect = vi.spyOn(Object.getPrototypeOf(pg.Pool.prototype), 'connect');
    await pool.query('select 1');
    const client: pg.PoolClient = await pool.connect();
    client.release();
    expect(connect).toHaveBeenCalledTimes(2);
  });

  it('and of its prototype `query`, as tracing tools replace it', async () => {
    const query = vi.spyOn(pg.Pool.prototype, 'query');
    const pool = make(Base, { max: 1 });
    expect((await pool.query('select $1::int as n', [1])).rows).toEqual([{ n: 1 }]);
    expect(query).toHaveBeenCalledTimes(1);
    expect(await failure(pool.query('select nothing'))).toMatchObject({ code: '42703' });
  });

  it('whose error is the error of the query', async () => {
    const pool = make(Base, { max: 1 });
    pool.connect = ((callback: (error: Error) => void) => callback(new Error('not now'))) as never;
    expect(await failure(pool.query('select 1'))).toMatchObject({ message: 'not now' });
  });

  it('and releases the client as the app has replaced `release`', async () => {
    const pool = make(Base, { max: 1 });
    const released = vi.fn();
    const connect = pool.connect.bind(pool);
    pool.connect = ((callback: (...args: unknown[]) => void) =>
      connect((error, client) => {
        const { release } = client!;
        client!.release = (failed) => {
          released(failed);
          release(failed);
        };
        callback(error, client, client!.release);
      })) as never;
    await pool.query('select 1');
    const error = await failure(pool.query('select 1/0'));
    expect(released.mock.calls.map(([given]) => given)).toEqual([expect.toSatisfy((given) => !given), error]);
  });
});

describe('a `connect` that only gives a promise', () => {
  it('does for pool.query, which would wait for ever with pg-pool', async () => {
    class Promising extends (Pool as unknown as typeof pg.Pool) {
      override async connect(): Promise<never> {
        const client = await super.connect();
        await client.query("set app.tenant = 'promised'");
        return client as never;
      }
    }
    expect(await tenantOf(make(Promising as never, { max: 1 }))).toBe('promised');
  });
});

describe('questions of our own', () => {
  afterEach(() => vi.restoreAllMocks());

  it('do not go through the method that tools replace to see the queries of the app', async () => {
    const seen: unknown[] = [];
    const { query } = pg.Client.prototype;
    vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (this: pg.Client, ...args: unknown[]) {
      seen.push(args[0]);
      return (query as (...args: unknown[]) => unknown).apply(this, args) as never;
    } as never);
    const pool = make(Pool, { max: 1, policy: { healthBypassMs: 0, reset: 'session' } });
    await pool.query('select 1');
    await new Promise((resolve) => setTimeout(resolve, 20));
    await pool.query('begin');
    await pool.query('select 2');
    expect(pool.stats()).toMatchObject({ rolledBack: 1, opened: 1 });
    expect(seen).toEqual(['select 1', 'begin', 'select 2']);
  });
});

it('an error of pool.query stays cheap when a tool watches `connect`', async () => {
  vi.spyOn(Object.getPrototypeOf(pg.Pool.prototype), 'connect');
  const onConnect = vi.fn();
  const pool = make(Pool, { max: 1, onConnect });
  const pid = await pidOf(pool);
  await failure(pool.query('select nothing'));
  await failure(pool.query('select $1::json', [{ n: 1n }]));
  expect(await pidOf(pool)).toBe(pid);
  expect(onConnect).toHaveBeenCalledTimes(1);
});

it.each(CLASSES)('a Client class of the app without `end()` has its connect error arrive: %s', async (_, Base) => {
  class Own extends EventEmitter {
    connect(callback: (error: Error) => void): void {
      setTimeout(() => callback(new Error('no server for me')), 1);
    }
  }
  const pool = make(Base, { max: 1, Client: Own, connectionTimeoutMillis: 500 } as object);
  const error = await failure(pool.query('select 1'));
  expect(`${error.message} ${(error.cause as Error | undefined)?.message}`).toContain('no server for me');
});
