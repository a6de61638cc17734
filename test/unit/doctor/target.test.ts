import { userInfo } from 'node:os';
import { describe, expect, it } from 'vitest';
import { targetOf, UsageError } from '../../../packages/doctor/src/server/target.js';

const { username } = userInfo();

describe('where to connect', () => {
  it.each<[string | undefined, Record<string, string>, object]>([
    ['postgres://me:pw@db:6432/shop', {}, { host: 'db', port: 6432, user: 'me', password: 'pw', database: 'shop' }],
    ['postgresql://me@db/shop', {}, { port: 5432, password: undefined }],
    ['postgres://me:p%40w@db', {}, { password: 'p@w', database: 'me' }],
    ['postgres://db', {}, { user: username, database: username }],
    ['postgres://me:pw@[::1]:5433/shop', {}, { host: '::1', port: 5433 }],
    ['postgres://me@/shop?host=/var/run/postgresql', {}, { host: '/var/run/postgresql', encryptions: [false] }],
    [
      'jdbc:postgresql://db:5433/shop?user=me&password=pw',
      {},
      { host: 'db', port: 5433, user: 'me', password: 'pw', database: 'shop' },
    ],
    ['postgresql+psycopg2://me:pw@db/shop', {}, { host: 'db', user: 'me' }],
    ['postgres://me@db/shop?schema=public&connection_limit=5', {}, { database: 'shop' }],
    [
      "host=db port=5433 user=me password='a b' dbname=shop",
      {},
      { host: 'db', port: 5433, user: 'me', password: 'a b', database: 'shop' },
    ],
    ['shop', { PGHOST: 'db', PGUSER: 'me' }, { host: 'db', user: 'me', database: 'shop' }],
    [
      undefined,
      { PGHOST: 'db', PGPORT: '5433', PGUSER: 'me', PGPASSWORD: 'pw', PGDATABASE: 'shop' },
      { host: 'db', port: 5433, user: 'me', password: 'pw', database: 'shop' },
    ],
    [undefined, {}, { host: 'localhost', port: 5432, user: username, database: username }],
    ['postgres://me@db/shop', { PGPASSWORD: 'pw', PGHOST: 'other' }, { host: 'db', password: 'pw' }],
    ['postgres://me:@db/shop', { PGPASSWORD: '' }, { password: undefined }],
  ])('%j with %j', (argument, env, expected) => {
    expect(targetOf(argument, env)).toMatchObject(expected);
  });

  it.each([
    ['', /^The URL is empty\. Is DATABASE_URL set\?/],
    ['mysql://me:geheim@db/shop', /^“mysql:\/\/” is not a URL of PostgreSQL/],
    ['postgres://me:ge heim#x@db:port/shop', /^The URL .*is not valid\. In a password/],
    ['postgres://me:ge/heim?x@db:port/shop', /^The URL .*is not valid\. In a password/],
    ['postgres://me:geheim@db:99999/shop', /^The URL \(…@db:99999\/shop\) is not valid/],
    ['postgres://me:geheim@one:5432,two:5432/shop', /^The URL names several hosts/],
    ['host=db port=none password=geheim', /^“none” is not a port/],
    ['postgres://me:geheim@db/shop?sslmode=on', /^sslmode “on” is not one of disable, allow, prefer/],
    [
      'postgres://me:geheim@db/shop?sslmode=verify-full&sslrootcert=/no/such/file',
      /^sslrootcert “\/no\/such\/file” cannot be read/,
    ],
    ['postgres://me:geheim@db/shop?sslmode=require&sslkey=package.json', /^sslkey “package.json” holds no certificate/],
    ['postgres://me:geheim@db/shop?sslmode=verify-ca', /^sslmode=verify-ca needs the CA/],
    ['postgres://me:geheim@db/shop?sslmode=verify-ca&sslrootcert=system', /^sslmode=verify-ca needs the CA/],
  ])('%j is refused, without the password', (argument, message) => {
    const refusal = () => targetOf(argument, {});
    expect(refusal).toThrow(UsageError);
    expect(refusal).toThrow(message);
    expect(refusal).not.toThrow(/heim/);
  });
});

describe('encryption', () => {
  const unverified = { rejectUnauthorized: false };
  it.each([
    ['', [unverified, false]],
    ['?sslmode=disable', [false]],
    ['?sslmode=allow', [false, unverified]],
    ['?sslmode=prefer', [unverified, false]],
    ['?sslmode=require', [unverified]],
    ['?sslmode=no-verify', [unverified]],
    ['?sslmode=verify-full', [{}]],
    ['?sslmode=verify-full&sslrootcert=system', [{}]],
  ])('%s is what psql makes of it', (parameters, expected) => {
    expect(targetOf(`postgres://db/shop${parameters}`, {}).encryptions).toEqual(expected);
  });

  it('is asked of the environment too', () => {
    expect(targetOf('postgres://db/shop', { PGSSLMODE: 'disable' }).encryptions).toEqual([false]);
  });
});
