import pg from 'pg';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { parsePolicy } from '../../../packages/core/src/policy/parsePolicy.js';
import type { PolicyOverrides } from '../../../packages/core/src/policy/policy.js';
import { limitFinder, targetOf } from '../../../packages/core/src/postgres/sharing/registry.js';

afterEach(() => void vi.unstubAllEnvs());

const of = (config: pg.PoolConfig, Client: typeof pg.Client = pg.Client) => targetOf(Client, config, pg.Client);

describe('What a configuration connects to', () => {
  it('is what `pg` makes of it', () => {
    const fields = { host: 'db', port: 5433, user: 'me', password: 'hunter2', database: 'app' };
    const url = 'postgres://me:hunter2@db:5433/app';
    expect(of({ connectionString: url })).toEqual(of(fields));
    expect(of({ connectionString: `${url}?application_name=web` })).toEqual(of({ ...fields, application_name: 'web' }));
    vi.stubEnv('PGHOST', 'db');
    vi.stubEnv('PGAPPNAME', 'web');
    expect(of({ port: 5433, user: 'me', database: 'app' })).toEqual(of({ ...fields, application_name: 'web' }));
  });

  it.for<[string, pg.PoolConfig]>([
    ['host', { host: 'other' }],
    ['port', { port: 5433 }],
    ['user', { user: 'other' }],
    ['database', { database: 'other' }],
    ['options', { options: '-c work_mem=9MB' }],
    ['application_name', { application_name: 'other' }],
    ['statement_timeout', { statement_timeout: 1 }],
    ['lock_timeout', { lock_timeout: 1 }],
  ])('differs by %s', ([, setting]) => {
    const base = { host: 'db', user: 'me', password: 'hunter2', database: 'app' };
    expect(of({ ...base, ...setting })).not.toEqual(of(base));
    expect(of({ ...base, ...setting })).toEqual(of({ ...base, ...setting }));
  });

  it('has no password, and neither keys nor certificates', () => {
    const secrets = { host: 'db', password: 'hunter2', ssl: { ca: 'pem', key: 'hunter3' } };
    const other = { host: 'db', password: () => 'hunter4', ssl: { ca: 'new' } };
    expect(of(secrets)).toEqual(of(other));
    expect(JSON.stringify(of(secrets))).not.toMatch(/hunter|pem/);
  });

  it('is not known for clients of another class, nor where the app makes the sockets', () => {
    expect(of({ host: 'db' }, class extends pg.Client {})).toBeUndefined();
    const stream = vi.fn();
    expect(of({ host: 'db', stream: stream as never })).toBeUndefined();
    expect(stream).not.toHaveBeenCalled();
  });

  it('is not known where `pg` cannot read it', () => {
    expect(of({ connectionString: 'postgres://db/app?sslrootcert=/nowhere.pem' })).toBeUndefined();
  });

  it('leaves the configuration as it was', () => {
    const config = Object.freeze({ host: 'db', password: 'hunter2' });
    of(config);
    expect(config).toEqual({ host: 'db', password: 'hunter2' });
  });
});

describe('Two pools have one limit', () => {
  let tests = 0;
  const own = () => ({ host: `db ${++tests}` });
  const limitOf = (policy: PolicyOverrides, place: string | undefined, target: object | undefined = { host: 'db' }) => {
    return limitFinder(parsePolicy({}, policy), { place, target: () => target as never })();
  };

  it('when they were made at one place, with one target and policy', () => {
    const target = own();
    const limit = limitOf({}, 'here', target);
    expect(limit).toBeDefined();
    expect(limitOf({}, 'here', { ...target })).toBe(limit);
    expect(limitOf({}, 'there', target)).not.toBe(limit);
    expect(limitOf({}, 'here', own())).not.toBe(limit);
    expect(limitOf({ maxConnections: 5 }, 'here', target)).not.toBe(limit);
    expect(limitOf({ name: 'one' }, 'here', target)).not.toBe(limitOf({ name: 'two' }, 'here', target));
  });

  it('whatever the place, with share: target', () => {
    const target = own();
    const limit = limitOf({ share: 'target' }, undefined, target);
    expect(limit).toBeDefined();
    expect(limitOf({ share: 'target' }, 'here', target)).toBe(limit);
    expect(limitOf({}, 'here', target)).not.toBe(limit);
  });

  it('wherever a policy comes from', () => {
    const target = own();
    const finder = (policy: ReturnType<typeof parsePolicy>) =>
      limitFinder(policy, { place: 'a', target: () => target })();
    expect(finder(parsePolicy({ MAX_CONNS: '5' }))).toBe(finder(parsePolicy({}, { maxConnections: 5 })));
  });

  it('but never when the place or the target is not known, for a single connection, or with share: none', () => {
    expect(limitOf({}, undefined)).toBeUndefined();
    expect(limitFinder(parsePolicy({}), { place: 'here', target: () => undefined })()).toBeUndefined();
    expect(limitOf({ maxConnections: 1 }, 'here')).toBeUndefined();
    expect(limitOf({ maxConnections: 1, share: 'target' }, 'here')).toBeUndefined();
    expect(limitOf({ share: 'none' }, 'here')).toBeUndefined();
  });
});
