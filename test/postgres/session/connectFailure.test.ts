import { type PgConfig, pgConnector } from '@tenure/core/pg';
import { afterEach, describe, expect, it } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';
import { failure, soon } from './support.js';

const postgres = await usePostgres({ settings: { ssl: 'off' } });
const { host, port, user, password, database } = postgres;
const config = { host, port, user, password, database };

async function attempt(target: PgConfig) {
  const connector = pgConnector(target);
  const error = await failure(
    connector.connect(
      soon(),
      () => {},
      () => {},
    ),
  );
  return { error, says: connector.classifyConnectError?.(error) };
}

const { classifyConnectError: classify } = pgConnector(config);

function coded(code: string, message = ''): Error {
  return Object.assign(new Error(message), { code });
}

describe('a failed connect', () => {
  afterEach(() => postgres.admin('alter role app connection limit -1 login; grant connect on database app to public'));

  it.each<[string, PgConfig, string]>([
    ['a wrong password', { ...config, password: 'wrong' }, '28P01'],
    ['an unknown role', { ...config, user: 'nobody' }, '28P01'],
    ['an unknown database', { ...config, database: 'nowhere' }, '3D000'],
    ['a startup option that does not exist', { ...config, options: '-c nonsense=1' }, '42704'],
    ['a startup option with a value that is none', { ...config, options: '-c statement_timeout=x' }, '22023'],
  ])('because of %s is permanent', async (_, target, code) => {
    expect(await attempt(target)).toMatchObject({ error: { code }, says: 'permanent' });
  });

  it.each([
    ['may not log in', 'alter role app nologin', '28000'],
    ['may not connect to the database', 'revoke connect on database app from public, app', '42501'],
  ])('of a role that %s is permanent', async (_, sql, code) => {
    await postgres.admin(`alter database app owner to postgres; ${sql}`);
    expect(await attempt(config)).toMatchObject({ error: { code }, says: 'permanent' });
  });

  it.each<[string, PgConfig, string]>([
    ['TLS that the server does not have', { ...config, ssl: true }, 'The server does not support SSL connections'],
    ['a password of another type', { ...config, password: (() => 7) as never }, 'Password must be a string'],
    ['a connection string that is none', 'postgres://app@127.0.0.1:99999/app', 'Invalid URL'],
    ['a port that is none', { ...config, port: 99_999 }, 'Port should be'],
  ])('because of %s is permanent', async (_, target, message) => {
    const { error, says } = await attempt(target);
    expect(error.message).toContain(message);
    expect(says).toBe('permanent');
  });

  it('because a password function gave none is a matter of the login: it may give another one next time', async () => {
    const { error, says } = await attempt({ ...config, password: () => undefined as never });
    expect(error.message).toContain('empty password returned by client');
    expect(says).toBe('login');
  });

  it('because the role has no slot left is full', async () => {
    await postgres.admin('alter role app connection limit 0');
    expect(await attempt(config)).toMatchObject({ error: { code: '53300' }, says: 'full' });
  });

  it.each<[string, PgConfig, string]>([
    ['a server that is not there', { ...config, port: 1 }, 'ECONNREFUSED'],
    ['a socket file that is not there', { ...config, host: '/nowhere' }, 'ENOENT'],
    ['a name that does not resolve', { ...config, host: 'tenure.invalid' }, ''],
  ])('because of %s is transient', async (_, target, code) => {
    const { error, says } = await attempt(target);
    expect(error.code).toContain(code);
    expect(says).toBe('transient');
  });

  it('because the password could not be fetched is transient', async () => {
    const fetchToken = () => fetch('http://127.0.0.1:1/token').then((response) => response.text());
    expect(await attempt({ ...config, password: fetchToken })).toMatchObject({
      error: { name: 'TypeError', message: 'fetch failed' },
      says: 'transient',
    });
  });
});

describe('the classification of a failed connect', () => {
  it.each([
    ['the server starts or stops', coded('57P03')],
    ['the server shuts down', coded('57P01')],
    ['the server is out of memory', coded('53200')],
    ['the name server does not answer', coded('EAI_AGAIN')],
    ['the name is unknown, for now', coded('ENOTFOUND')],
    ['the peer resets', coded('ECONNRESET')],
    ['nothing comes back', coded('ETIMEDOUT')],
    ['there is no route', coded('EHOSTUNREACH')],
    ['the network is unreachable', coded('ENETUNREACH')],
    ['the time is up', new Error('timeout expired')],
    ['the attempt is aborted', new DOMException('This operation was aborted', 'AbortError')],
    ['TLS is cut in the handshake', coded('ECONNRESET', 'Client network socket disconnected before secure TLS')],
    ['the server could not start TLS', new Error('There was an error establishing an SSL connection')],
    ['no address answers', new AggregateError([coded('ECONNREFUSED'), coded('ETIMEDOUT')])],
    ['one address refuses for good', new AggregateError([coded('ECONNREFUSED'), coded('CERT_HAS_EXPIRED')])],
    ['PgBouncer waits for a server', coded('08P01', 'query_wait_timeout')],
    ['PgBouncer cannot reach the server', coded('08P01', 'server login has been failing, try again later')],
    ['something else is thrown', 'a string'],
  ])('is transient when %s', (_, error) => {
    expect(classify?.(error)).toBe('transient');
  });

  it('is permanent when SCRAM has no password to go on, which pg says without a code', () => {
    expect(classify?.(new Error('SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string'))).toBe(
      'permanent',
    );
  });

  it.each([
    'SELF_SIGNED_CERT_IN_CHAIN',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    'CERT_HAS_EXPIRED',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'ERR_SSL_WRONG_VERSION_NUMBER',
    'EPROTO',
  ])('is permanent when TLS ends with %s', (code) => {
    expect(classify?.(coded(code))).toBe('permanent');
  });

  it.each([
    ['no such database: nowhere', 'permanent'],
    ['password authentication failed', 'permanent'],
    ['unsupported startup parameter: options', 'permanent'],
    ['no more connections allowed (max_client_conn)', 'full'],
  ])('reads what PgBouncer says: %s', (message, says) => {
    expect(classify?.(coded('08P01', message))).toBe(says);
  });
});
