import { inspect } from 'node:util';
import { type PgConfig, type PgConnectorOptions, pgConnector } from '@tenure/core/pg';
import type pg from 'pg';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';
import { type Silence, silentServer } from './fakeServer.js';
import { failure, soon } from './support.js';

const postgres = await usePostgres();
const { host, port, user, password, database } = postgres;
const config = { host, port, user, password, database };
const onLost = vi.fn<(cause?: Error) => void>();

const uncaught = vi.fn();
const close: (() => Promise<void>)[] = [];
beforeEach(() => {
  onLost.mockReset();
  uncaught.mockReset();
  process.on('uncaughtException', uncaught).on('unhandledRejection', uncaught);
});
afterEach(async () => {
  await Promise.all(close.splice(0).map((closeOne) => closeOne()));
  await expect.poll(() => openSockets()).toBe(0);
  process.off('uncaughtException', uncaught).off('unhandledRejection', uncaught);
  expect(uncaught).not.toHaveBeenCalled();
});

async function open(target: PgConfig, options?: PgConnectorOptions) {
  const connector = pgConnector(target, options);
  const client = await connector.connect(soon(), onLost, () => {});
  close.push(() => connector.close(client));
  return { connector, client };
}

/** This process's own TCP connections, in any phase. */
function openSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => /^(TCPSocketWrap|TCPConnectWrap|TLSWrap)$/.test(name))
    .length;
}

describe('a connector', () => {
  it.each([
    ['a connection string', postgres.url],
    ['a configuration', config],
  ])('opens a connection from %s', async (_, target) => {
    const { connector, client } = await open(target);
    expect(connector.isOpen?.(client)).toBe(true);
    expect(connector.transactionStatus?.(client)).toBe('idle');
    const { rows } = await client.query('select pg_backend_pid() as pid');
    expect(connector.processId?.(client)).toBe(rows[0].pid);
  });

  it('tells when that connection is lost, once it is open', async () => {
    await open(config);
    expect(onLost).not.toHaveBeenCalled();
    await postgres.terminateBackends();
    await expect.poll(() => onLost).toHaveBeenCalledTimes(1);
    expect(onLost.mock.calls[0]?.[0]).toMatchObject({ code: '57P01' });
  });

  it('asks a password function each time', async () => {
    const ask = vi.fn(async () => password);
    const target = { ...config, password: ask };
    await open(target);
    await open(target);
    expect(ask).toHaveBeenCalledTimes(2);
  });

  it('finds a password that the configuration hides', async () => {
    const hidden = Object.defineProperty({ ...config }, 'password', { enumerable: false, value: password });
    await expect(open(hidden)).resolves.toBeDefined();
  });

  it('hands a connection out after its set-up', async () => {
    const { client } = await open(config, { setUp: (client) => client.query(`set application_name = 'set up'`) });
    expect(await client.query('show application_name')).toMatchObject({ rows: [{ application_name: 'set up' }] });
  });

  it.each([
    ['fails', (client: pg.Client) => client.query('select 1/0'), 'division by zero'],
    ['leaves a transaction open', (client: pg.Client) => client.query('begin'), 'its status is "transaction"'],
    ['ends the connection', (client: pg.Client) => client.end(), 'The app ended the connection'],
  ])('closes a connection whose set-up %s', async (_, setUp, message) => {
    const error = await failure(open(config, { setUp }));
    expect(error.message).toContain(message);
    await expect.poll(() => postgres.activity()).toEqual([]);
    expect(onLost).not.toHaveBeenCalled();
  });

  it('fails when the session is ended during its set-up', async () => {
    const setUp = () => postgres.terminateBackends();
    expect(await failure(open(config, { setUp }))).toMatchObject({ code: '57P01' });
    expect(onLost).not.toHaveBeenCalled();
  });
});

describe('an attempt that is aborted', () => {
  const reason = new Error('time is up');
  /** Aborts an attempt once `ready`, and expects it to fail for that reason alone. */
  async function abortWhen(ready: () => unknown, target: PgConfig, options?: PgConnectorOptions) {
    const controller = new AbortController();
    const outcome = failure(pgConnector(target, options).connect(controller.signal, onLost, () => {}));
    await ready();
    controller.abort(reason);
    expect(await outcome).toBe(reason);
    expect(onLost).not.toHaveBeenCalled();
  }

  it('before it begins, opens nothing', async () => {
    const { connect } = pgConnector(config);
    expect(await failure(connect(AbortSignal.abort(reason), onLost, () => {}))).toBe(reason);
    expect(openSockets()).toBe(0);
  });

  it.each([
    ['its name is looked up', { ...config, host: 'localhost' }],
    ['it is dialled', config],
  ])('while %s, leaves no socket', async (_, target) => {
    await abortWhen(() => {}, target);
  });

  it.each<[Silence, pg.ClientConfig]>([
    ['accepted', {}],
    ['accepted', { ssl: { rejectUnauthorized: false } }],
    ['accepted', { ssl: { rejectUnauthorized: false }, sslnegotiation: 'direct' }],
    ['promised TLS', { ssl: { rejectUnauthorized: false } }],
    ['asked for a password', {}],
  ])('after the server has %s, leaves no socket (%j)', async (silence, more) => {
    const server = await silentServer(silence);
    const packets = silence === 'accepted' ? 1 : 2;
    await abortWhen(() => expect.poll(() => server.heard.length).toBeGreaterThanOrEqual(packets), {
      ...config,
      ...more,
      host: server.host,
      port: server.port,
    });
    await expect.poll(() => server.sockets.size).toBe(0);
  });

  it.each([
    ['answers', (answer: (password: string) => void) => answer(password)],
    ['fails', (_: unknown, fail: (error: Error) => void) => fail(new Error('no token'))],
  ])('while its password is fetched, leaves no socket, also when the function %s later', async (_, later) => {
    const fetched = withResolvers<string>();
    const asked = withResolvers<void>();
    const fetch = () => (asked.resolve(), fetched.promise);
    await abortWhen(() => asked.promise, { ...config, password: fetch });
    later(fetched.resolve, fetched.reject);
    await expect.poll(() => postgres.activity()).toEqual([]);
  });

  it('while it is set up, leaves no session', async () => {
    const begun = withResolvers<void>();
    const setUp = () => (begun.resolve(), new Promise(() => {}));
    await abortWhen(() => begun.promise, config, { setUp });
    await expect.poll(() => postgres.activity()).toEqual([]);
  });
});

describe('an attempt that fails', () => {
  const secret = 'hunter2-hunter2';
  it.each<[string, PgConfig]>([
    ['a wrong password', { ...config, password: secret }],
    ['a wrong password in a connection string', `postgres://app:${secret}@${host}:${port}/app`],
    ['a connection string that is none', `postgres://app:${secret}@${host}:99999/app`],
    ['a server that is not there', `postgres://app:${secret}@${host}:1/app`],
    ['a port that is none', { ...config, password: secret, port: 99_999 }],
    ['no TLS', { ...config, password: secret, ssl: true }],
    ['an unknown database', { ...config, database: 'nope' }],
  ])('because of %s leaves no socket and tells no secret', async (_, target) => {
    const error = await failure(open(target));
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(secret);
    expect(onLost).not.toHaveBeenCalled();
  });
});

function withResolvers<T>() {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((res, rej) => {
    resolve = res;
    reject = rej;
  });
  return { promise, resolve, reject };
}
