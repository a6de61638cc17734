import { chmod } from 'node:fs/promises';
import { cancelRequest } from '@tenure/core/adapter';
import pg from 'pg';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { TemporaryFolder } from '../../support/temporaryFolder.js';
import { usePostgres } from '../../support/usePostgres.js';
import { silentServer } from './fakeServer.js';
import { connectorFor, failure, soon, useClients } from './support.js';
import { turnTlsOn } from './tlsServer.js';

const CANCELS = 200;

const folder = await TemporaryFolder.make('test');
const sockets = folder.path;
await chmod(sockets, 0o777);
afterAll(() => folder.remove());

const postgres = await usePostgres({ settings: { unix_socket_directories: sockets } });
const ca = await turnTlsOn(postgres);
const { host, port, user, password, database } = postgres;
const config = { host, port, user, password, database };
const ssl = { ca };

const open = useClients(config);
const session = connectorFor();

const WAYS: [string, pg.ClientConfig][] = [
  ['TCP', {}],
  ['a Unix socket', { host: sockets }],
  ['TLS', { host: 'localhost', ssl }],
  ['TLS from the first byte', { host: 'localhost', ssl, sslnegotiation: 'direct' }],
];

/** A query that the server has begun: an earlier cancel would be lost. */
async function longQuery(client: pg.Client): Promise<{ outcome: Promise<unknown> }> {
  const outcome = failure(client.query('select pg_sleep(30)'));
  await expect.poll(() => postgres.activity({ state: 'active' })).toMatchObject([{ waitEvent: 'PgSleep' }]);
  return { outcome };
}

/** Cancels what the client is doing, and waits until the cancel can hit nothing else. */
async function cancel(client: pg.Client): Promise<void> {
  const cancelled = cancelRequest(pg.Connection, client, { signal: soon() });
  await Promise.all([cancelled, session.reset(client, 'settle', soon())]);
}

describe.each(WAYS)('a cancel over %s', (_, way) => {
  it('ends the query in flight, and leaves the session', async () => {
    const client = await open(way);
    const query = await longQuery(client);
    await cancel(client);
    expect(await query.outcome).toMatchObject({ code: '57014' });
    expect(await client.query('select 1 as one')).toMatchObject({ rows: [{ one: 1 }] });
  });

  it(`never hits a later query, ${CANCELS} times in a row`, async () => {
    const client = await open(way);
    let hits = 0;
    for (let i = 0; i < CANCELS; i++) {
      // Some cancels come in time, some come before the server has read the query, and some after it has answered.
      const seconds = i % 20 === 1 ? 1 : 0.01;
      const query = client.query(i % 2 ? `select pg_sleep(${seconds})` : 'select 1').catch(({ code }) => code);
      await cancel(client);
      if ((await query) === '57014') hits++;
      // Long enough for a cancel that is still under way to hit it.
      await client.query('select pg_sleep(0.003)');
    }
    expect(hits).toBeGreaterThan(0);
    expect(hits).toBeLessThan(CANCELS);
  });
});

describe('a cancel', () => {
  it('opens no session', async () => {
    const client = await open({ application_name: 'mine' });
    await postgres.admin('alter role app connection limit 1');
    const query = await longQuery(client);
    await cancel(client);
    expect(await query.outcome).toMatchObject({ code: '57014' });
    await postgres.admin('alter role app connection limit -1');
  });

  it('goes to the address that the session is on, and checks the name that it was dialled by', async () => {
    const client = await open({ host: 'localhost', ssl });
    const connect = vi.spyOn(pg.Connection.prototype as unknown as { connect(...to: unknown[]): void }, 'connect');
    await cancel(client);
    expect(connect.mock.calls).toEqual([[port, host]]);
    connect.mockRestore();
    // A name that the certificate is not for.
    client.host = 'elsewhere.example';
    expect(await failure(cancelRequest(pg.Connection, client))).toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  });

  it('fails when the server is gone', async () => {
    const client = await open();
    const gone = Object.create(client, { port: { value: 1 }, connection: { value: undefined } });
    expect(await failure(cancelRequest(pg.Connection, gone))).toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('fails when the server hangs up before it has heard', async () => {
    const client = await open({ host: 'localhost', ssl });
    const server = await silentServer('accepted');
    const moved = Object.create(client, {
      host: { value: server.host },
      port: { value: server.port },
      connection: { value: undefined },
    });
    const outcome = failure(cancelRequest(pg.Connection, moved));
    await expect.poll(() => server.heard.length).toBe(1);
    for (const socket of server.sockets) socket.end();
    expect(await outcome).toMatchObject({
      message: 'The server closed the connection before it took the cancel request',
    });
  });

  it('gives up when its signal is aborted, and leaves no socket', async () => {
    const client = await open();
    const server = await silentServer('accepted');
    const moved = Object.create(client, { port: { value: server.port }, connection: { value: undefined } });
    const controller = new AbortController();
    const outcome = failure(cancelRequest(pg.Connection, moved, { signal: controller.signal }));
    await expect.poll(() => server.heard.length).toBe(1);
    const reason = new Error('time is up');
    controller.abort(reason);
    expect(await outcome).toBe(reason);
    await expect.poll(() => server.sockets.size).toBe(0);
    expect(await failure(cancelRequest(pg.Connection, client, { signal: controller.signal }))).toBe(reason);
  });

  it('is refused for a client that is not connected', async () => {
    const client = new pg.Client(config);
    expect(await failure(cancelRequest(pg.Connection, client))).toMatchObject({ message: /^Only a connected client/ });
  });
});
