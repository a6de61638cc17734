import { PrismaPg } from '@prisma/adapter-pg';
import { tenure, tenureAdapter } from '@tenure/prisma';
import { describe, expect, it } from 'vitest';
import { PrismaClient } from './generated/client.js';

const NONE = 'none';

function policyFor(query: string, config: object = {}) {
  const connectionString = `postgres://app:app@127.0.0.1:1/app${query}`;
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString, ...config }) }).$extends(tenure());
  return prisma.$pool.stats().policy;
}

describe("Prisma 6's parameters of the connection URL", () => {
  it.each([
    ['connection_limit=5', 'maxConnections', 5],
    ['pool_timeout=20', 'acquireTimeoutMs', 20_000],
    ['pool_timeout=0', 'acquireTimeoutMs', NONE],
    ['connect_timeout=7', 'connectTimeoutMs', 7_000],
    ['connect_timeout=0', 'connectTimeoutMs', NONE],
    ['max_connection_lifetime=600', 'maxAgeMs', 600_000],
    ['max_connection_lifetime=0', 'maxAgeMs', NONE],
    ['max_idle_connection_lifetime=60', 'idleTimeoutMs', 60_000],
    ['max_idle_connection_lifetime=0', 'idleTimeoutMs', NONE],
    ['pgbouncer=true', 'statements', 0],
    ['pgbouncer=true', 'pooler', 'transaction'],
  ] as const)('%s is %s = %s', (parameter, key, value) => {
    const source = { from: 'host', name: parameter.split('=')[0] };
    expect(policyFor(`?schema=public&${parameter}`)[key]).toMatchObject({ value, source });
  });

  it('mean nothing where they are not written', () => {
    const settings = Object.values(policyFor('?pgbouncer=false&sslmode=disable'));
    expect(settings.filter(({ source }) => source.from === 'host')).toEqual([]);
  });

  it('are overruled by the options of the adapter', () => {
    const { maxConnections } = policyFor('?connection_limit=5', { max: 6 });
    expect(maxConnections).toEqual({ value: 6, source: { from: 'host', name: 'pool.max' } });
  });

  it('count the last time they are written, as they did', () => {
    expect(policyFor('?connection_limit=5&connection_limit=8').maxConnections.value).toBe(8);
  });

  it.each(['connection_limit=many', 'connection_limit=0', 'pool_timeout=-1', 'pool_timeout=1.5'])(
    '%s is refused by its name',
    (parameter) => {
      const [name, written] = parameter.split('=');
      expect(() => policyFor(`?${parameter}`)).toThrow(`${name} = "${written}"`);
    },
  );
});

describe('A parameter that cannot be followed', () => {
  it('is refused in its own unit, beside what is wrong with the config', () => {
    const adapter = (url: string) => tenureAdapter({ connectionString: url, max: -1 });
    const make = () => adapter('postgres://me@db/app?pool_timeout=1.5');
    expect(make).toThrow('pool_timeout = "1.5": seconds as a whole number; 0 = no limit');
    expect(make).toThrow('pool.max = -1');
  });

  it('is not asked for when there is no URL at all', () => {
    expect(() => tenureAdapter(undefined as unknown as string)).toThrow('Is a variable not set?');
  });
});

describe('tenure without its parentheses', () => {
  it('is refused, because it would govern nothing', () => {
    const prisma = new PrismaClient({ adapter: new PrismaPg('postgres://me@db/app') });
    expect(() => prisma.$extends(tenure as unknown as ReturnType<typeof tenure>)).toThrow('$extends(tenure())');
  });
});
