import pg from 'pg';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { parsePolicy } from '../../../packages/core/src/policy/parsePolicy.js';
import {
  differences,
  fingerprintOf,
  identityOf,
  policySettings,
} from '../../../packages/core/src/postgres/sharing/identity.js';
import { Registry } from '../../../packages/core/src/postgres/sharing/registry.js';

afterEach(() => void vi.unstubAllEnvs());

const registry = new Registry();
const print = (config: pg.PoolConfig, Client: typeof pg.Client = pg.Client) => {
  return fingerprintOf(identityOf(Client, config, pg.Client), registry);
};
const key = (config: pg.PoolConfig) => print(config).key;

describe('The identity of a configuration', () => {
  it('is that of what `pg` makes of it', () => {
    const fields = { host: 'db', port: 5433, user: 'me', password: 'hunter2', database: 'app' };
    const url = 'postgres://me:hunter2@db:5433/app';
    expect(key({ connectionString: url })).toBe(key(fields));
    expect(key({ connectionString: `${url}?application_name=web` })).toBe(key({ ...fields, application_name: 'web' }));
    vi.stubEnv('PGPASSWORD', 'hunter2');
    vi.stubEnv('PGHOST', 'db');
    vi.stubEnv('PGAPPNAME', 'web');
    vi.stubEnv('PGSSLMODE', 'require');
    expect(key({ port: 5433, user: 'me', database: 'app' })).toBe(
      key({ ...fields, application_name: 'web', ssl: true }),
    );
  });

  it('does not count what the policy says, and whatever pg-pool fills in', () => {
    expect(key({ host: 'db', max: 10, min: 0, idleTimeoutMillis: 10_000, allowExitOnIdle: false })).toBe(
      key({ host: 'db' }),
    );
  });

  const differing: [string, pg.PoolConfig & Record<string, unknown>][] = [
    ['host', { host: 'other' }],
    ['port', { port: 5433 }],
    ['user', { user: 'other' }],
    ['password', { password: 'other' }],
    ['database', { database: 'other' }],
    ['ssl', { ssl: { ca: 'pem' } }],
    ['options', { options: '-c work_mem=9MB' }],
    ['application_name', { application_name: 'other' }],
    ['statement_timeout', { statement_timeout: 1 }],
    ['lock_timeout', { lock_timeout: 1 }],
    ['query_timeout', { query_timeout: 1 }],
    ['client_encoding', { client_encoding: 'latin1' }],
    ['types', { types: pg.types }],
    ['stream', { stream: (() => {}) as never }],
    ['pipeline', { pipeline: true }],
    ['onConnect', { onConnect: () => {} } as never],
    ['keepalives', { keepAlive: true }],
    ['anything else', { region: 'eu' }],
  ];
  it.for(differing)('differs by %s', ([, setting]) => {
    const base = { host: 'db', user: 'me', password: 'hunter2', database: 'app' };
    expect(key({ ...base, ...setting })).not.toBe(key(base));
    expect(key({ ...base, ...setting })).toBe(key({ ...base, ...setting }));
  });

  it('takes plain data by content, such as certificates', () => {
    const secure = () => ({ host: 'db', ssl: { ca: [Buffer.from('pem')], key: 'k', rejectUnauthorized: true } });
    expect(key(secure())).toBe(key(secure()));
  });

  it('counts every option as written for a class of clients of the app', () => {
    class Own extends pg.Client {}
    expect(print({ connectionString: 'postgres://db/app' }, Own).key).not.toBe(
      print({ host: 'db', database: 'app' }, Own).key,
    );
    expect(print({ host: 'db' }, Own).key).toBe(print({ host: 'db' }, Own).key);
    expect(print({ host: 'db' }, Own).key).not.toBe(print({ host: 'db' }).key);
  });

  it('makes no socket, and asks the app for none', () => {
    const stream = vi.fn();
    key({ host: 'db', stream: stream as never });
    expect(stream).not.toHaveBeenCalled();
  });

  it('leaves the configuration as it was', () => {
    const config = Object.freeze({ host: 'db', password: 'hunter2' });
    key(config);
    expect(config).toEqual({ host: 'db', password: 'hunter2' });
  });

  it('counts the policy, not where it comes from', () => {
    const settings = (env: Record<string, string>, overrides = {}) => policySettings(parsePolicy(env, overrides));
    expect(settings({ MAX_CONNS: '5' })).toEqual(settings({}, { maxConnections: 5 }));
    expect(settings({}, { name: 'one' })).not.toEqual(settings({}, { name: 'two' }));
  });
});

describe('A fingerprint', () => {
  it('has nothing in the clear, and says nothing in another process', () => {
    const config = {
      host: 'secret.host',
      user: 'someone',
      password: 'hunter2',
      database: 'app',
      options: '-c a=hunter3',
    };
    const shown = JSON.stringify([print(config).key, print(config).target, [...print(config).settings]]);
    for (const secret of ['hunter2', 'hunter3', 'secret.host', 'someone']) expect(shown).not.toContain(secret);
    const elsewhere = fingerprintOf(identityOf(pg.Client, config, pg.Client), new Registry());
    expect(elsewhere.key).not.toBe(print(config).key);
    expect(elsewhere.target).not.toBe(print(config).target);
  });

  it('tells in which settings two pools with one target differ', () => {
    const [one, other] = [print({ host: 'db' }), print({ host: 'db', lock_timeout: 5, options: '-c a=b' })];
    expect(one.target).toBe(other.target);
    expect(differences(one, other)).toEqual(['lock_timeout', 'options']);
    expect(print({ host: 'db', password: 'x' }).target).not.toBe(one.target);
  });
});
