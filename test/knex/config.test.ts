import { type PolicyOverrides, TenurePolicyError, TenureUsageError } from '@tenure/core';
import { poolOf, tenure } from '@tenure/knex';
import knex, { type Knex } from 'knex';
import { afterEach, describe, expect, expectTypeOf, it, vi } from 'vitest';
import { freePort } from '../support/freePort.js';
import { dialectClass, Log } from './support.js';

/** Nothing listens there; a pool without demand does not connect. */
const connection = { host: '127.0.0.1', port: await freePort(), user: 'nobody' };

const instances: Knex[] = [];
afterEach(() => Promise.all(instances.splice(0).map((instance) => instance.destroy())));
afterEach(() => vi.unstubAllEnvs());

function open(config: Knex.Config | string, policy?: PolicyOverrides): Knex {
  const instance = knex(tenure(config, policy));
  instances.push(instance);
  return instance;
}

function failure(act: () => unknown): Error {
  try {
    act();
  } catch (error) {
    return error as Error;
  }
  throw new Error('It did not fail');
}

describe('the client', () => {
  it.each(['pg', 'postgres', 'postgresql', 'cockroachdb', 'redshift'])('may be %s, and keeps its name', (name) => {
    const db = open({ client: name, connection });
    expect(poolOf(db).policy.maxConnections).toBe(10);
    expect(db.client.config.client).toBe(name);
    expect(db.client).toBeInstanceOf(dialectClass(name));
    expect(db.client.driverName).toBe(knex({ client: name }).client.driverName);
    expect(db('t').where({ id: 1 }).toString()).toBe(knex({ client: name })('t').where({ id: 1 }).toString());
  });

  it('may be named by `dialect`', () => {
    const log = new Log();
    const db = open({ dialect: 'pg', connection, log });
    expect(poolOf(db).stats().max).toBe(10);
    expect(db.client.config).toMatchObject({ client: undefined, dialect: 'pg' });
    // The same without Tenure.
    expect(log.warnings).toEqual([expect.stringContaining('deprecated')]);
  });

  it('may be a class of the app', () => {
    class Mine extends dialectClass('pg') {}
    const db = open({ client: Mine, connection });
    expect(db.client).toBeInstanceOf(Mine);
    expect(db.client.config.client).toBe(Mine);
    expect(poolOf(db).stats().max).toBe(10);
  });

  it('may stand in a connection string', () => {
    const db = open('postgres://me:secret@127.0.0.1:1/shop');
    expect(db.client.config.client).toBe('postgres');
    expect(db.client.connectionSettings).toMatchObject({ user: 'me', host: '127.0.0.1', port: '1', database: 'shop' });
    expect(poolOf(db).stats().max).toBe(10);
  });

  it.each([
    ['another database', { client: 'mysql2' }, 'Not mysql2.'],
    ['a typing error', { client: 'postgre' }, 'Not postgre.'],
    ['nothing at all', {}, 'This config names none.'],
    ['a class of another database', { client: dialectClass('mysql2') }, 'This class is none of those.'],
    ['the native driver', { client: 'pgnative' }, 'use the client pg'],
    ['a class of the native driver', { client: class extends dialectClass('pgnative') {} }, 'use the client pg'],
    ['a connection string of another database', 'mysql://root@127.0.0.1/shop', 'Not mysql.'],
  ])('may not be %s', (_, config, reason) => {
    const error = failure(() => tenure(config));
    expect(error).toBeInstanceOf(TenureUsageError);
    expect(error.message).toContain('Tenure supports the clients pg, postgres, postgresql, cockroachdb, redshift');
    expect(error.message).toContain(reason);
  });
});

describe('the config', () => {
  it('is passed on as it is, and not changed', async () => {
    const hidden = Object.defineProperty({ ...connection }, 'password', { value: 'secret', enumerable: false });
    const config: Knex.Config = {
      client: 'pg',
      connection: hidden,
      searchPath: ['shop'],
      wrapIdentifier: (value, wrap) => wrap(value),
      migrations: { tableName: 'steps' },
      log: new Log(),
    };
    const before = { ...config };
    const { client, ...rest } = tenure(config);
    const { client: _, ...expected } = before;
    expect(client).toBeTypeOf('function');
    expect(rest).toEqual(expected);
    expect(rest.connection).toBe(hidden);
    expect(config).toEqual(before);
    expect(open(config).client.connectionSettings.password).toBe('secret');
  });

  it('gets no pool where Knex makes none: `pool.max: 0`, or no connection', () => {
    for (const config of [{ client: 'pg', connection, pool: { min: 0, max: 0 } }, { client: 'pg' }]) {
      const db = open(config);
      expect(db('t').toString()).toBe('select * from "t"');
      expect(db.client.pool).toBeUndefined();
      expect(failure(() => poolOf(db)).message).toContain('made without a connection');
    }
  });

  it('may go through twice, but not with two policies', () => {
    const once = tenure({ client: 'pg', connection });
    expect(tenure(once)).toBe(once);
    expect(failure(() => tenure(once, { maxAgeMs: 0 }))).toBeInstanceOf(TenureUsageError);
  });

  it('may not bring a pool of its own', () => {
    const error = failure(() => tenure({ client: 'pg', connectionPool: { acquire() {}, release() {} } } as never));
    expect(error).toBeInstanceOf(TenureUsageError);
    expect(error.message).toContain('connectionPool');
  });

  it('is one for TypeScript too', () => {
    expectTypeOf(tenure).toBeCallableWith({ client: 'pg', connection: 'postgres://x', pool: { max: 5 } });
    expectTypeOf(tenure).parameter(0).toEqualTypeOf<Knex.Config | string>();
    expectTypeOf(tenure).returns.toEqualTypeOf<Knex.Config>();
    expectTypeOf(knex<{ id: number }>).toBeCallableWith(tenure({ client: 'pg' }));
    expectTypeOf(poolOf).toBeCallableWith({} as Knex.Transaction);
  });
});

describe('the policy', () => {
  it('is read from the argument, the environment, the Knex config, the defaults, in this order', () => {
    vi.stubEnv('MAX_CONNS', '7');
    vi.stubEnv('CONN_MAX_AGE', '5m');
    const pool = { max: 5, min: 1, idleTimeoutMillis: 1234 };
    const { policy } = poolOf(open({ client: 'pg', connection, pool }, { maxAgeMs: 1000 })).stats();
    expect(policy).toMatchObject({
      maxAgeMs: { value: 1000, source: { from: 'argument', name: 'policy.maxAgeMs' } },
      maxConnections: { value: 7, source: { from: 'environment', name: 'MAX_CONNS' } },
      minConnections: { value: 1, source: { from: 'host', name: 'pool.min' } },
      idleTimeoutMs: { value: 1234, source: { from: 'host', name: 'pool.idleTimeoutMillis' } },
      acquireTimeoutMs: { value: 30_000, source: { from: 'default' } },
    });
  });

  it('with a name reads the variables of that name first', () => {
    vi.stubEnv('MAX_CONNS', '7');
    vi.stubEnv('ORDERS_MAX_CONNS', '3');
    expect(poolOf(open({ client: 'pg', connection }, { name: 'orders' })).policy.maxConnections).toBe(3);
    expect(poolOf(open({ client: 'pg', connection })).policy.maxConnections).toBe(7);
  });

  it('is refused at start, with every problem', () => {
    vi.stubEnv('CONN_MAX_AGE', 'soon');
    vi.stubEnv('CONN_HEALTH_BYPASS', '500');
    const pool = { max: -1, acquireTimeoutMillis: 0, refreshIdle: true };
    const error = failure(() => tenure({ client: 'pg', connection, pool }, { maxUses: 0 }));
    expect(error).toBeInstanceOf(TenurePolicyError);
    const names = (error as TenurePolicyError).problems.map(({ name }) => name).sort();
    expect(names).toEqual([
      'CONN_HEALTH_BYPASS',
      'CONN_MAX_AGE',
      'policy.maxUses',
      'pool.acquireTimeoutMillis',
      'pool.max',
      'pool.refreshIdle',
    ]);
  });

  it('is read anew by initialize()', async () => {
    const db = open({ client: 'pg', connection });
    await db.destroy();
    vi.stubEnv('MAX_CONNS', '4');
    db.initialize();
    expect(poolOf(db).policy.maxConnections).toBe(4);
    expect(db.client.config.client).toBe('pg');
    await db.destroy();
    db.initialize({ ...db.client.config, pool: { min: 0, max: 3 } });
    expect(poolOf(db).policy).toMatchObject({ maxConnections: 4, minConnections: 0 });
  });
});

describe('settings of tarn that have no meaning here', () => {
  it('are named in one warning', () => {
    const log = new Log();
    open({ client: 'pg', connection, log, pool: { reapIntervalMillis: 10, propagateCreateError: false, max: 2 } });
    expect(log.warnings).toEqual([expect.stringMatching(/pool\.reapIntervalMillis, pool\.propagateCreateError/)]);
  });

  it('are not, where Knex filled them in itself', () => {
    const log = new Log();
    open({ client: 'pg', connection, log, pool: { max: 2 } });
    expect(log.warnings).toEqual([]);
  });
});

describe('poolOf', () => {
  it('finds the pool behind an instance and what Knex derives from it', () => {
    const db = open({ client: 'pg', connection });
    expect(poolOf(db.withUserParams({ tenant: 1 }))).toBe(poolOf(db));
  });

  it('says so when there is none', async () => {
    const stock = knex({ client: 'pg', connection });
    instances.push(stock);
    expect(failure(() => poolOf(stock))).toBeInstanceOf(TenureUsageError);
    expect(failure(() => poolOf(stock)).message).toContain('did not come from tenure()');
    const db = open({ client: 'pg', connection });
    await db.destroy();
    expect(failure(() => poolOf(db)).message).toContain('it was destroyed');
  });
});

describe('a config that is none', () => {
  it.each(['host=db user=me password=hunter2', 'postgres://me:hunter2@db/app'])(
    'is refused without showing it: %s',
    (client) => {
      expect(() => tenure({ client })).toThrow(TenureUsageError);
      expect(() => tenure({ client })).not.toThrow('hunter2');
    },
  );

  it('is refused with the question that is meant when a variable is not set', () => {
    expect(() => tenure(undefined as unknown as string)).toThrow('Is a variable not set?');
  });
});
