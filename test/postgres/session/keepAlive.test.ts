import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { pgConnector } from '@tenure/core/pg';
import type pg from 'pg';
import { describe, expect, it, vi } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';
import { soon, useClients, watch } from './support.js';
import { turnTlsOn } from './tlsServer.js';

const postgres = await usePostgres();
const ca = await turnTlsOn(postgres);
const { host, port, user, password, database } = postgres;
const config = { host, port, user, password, database };
const open = useClients(config);

const WAYS: [string, pg.ClientConfig][] = [
  ['TCP', {}],
  ['TLS', { host: 'localhost', ssl: { ca } }],
  ['TLS from the first byte', { host: 'localhost', ssl: { ca }, sslnegotiation: 'direct' }],
];

/** Whether Linux has a keepalive timer on the socket: what it really does, below Node and TLS. Another timer may hide it for a moment. */
async function isKeptAlive(client: pg.Client): Promise<boolean> {
  const { localPort, remotePort } = client.connection.stream as Socket;
  const [here, there] = [localPort, remotePort].map((one) => `:${one?.toString(16).toUpperCase().padStart(4, '0')}`);
  const lines = (await readFile('/proc/net/tcp', 'utf8')).split('\n').map((line) => line.trim().split(/\s+/));
  // Sockets to other servers may have the same port on this side.
  const timer = lines.find(([, local, remote]) => local?.endsWith(here!) && remote?.endsWith(there!))?.[5];
  return timer?.startsWith('02:') ?? false;
}

describe.runIf(process.platform === 'linux').each(WAYS)('a connection over %s', (_, way) => {
  it('is kept alive when the connector opens it', async () => {
    const connector = pgConnector({ ...config, ...way });
    const client = await connector.connect(
      soon(),
      () => {},
      () => {},
    );
    await expect.poll(() => isKeptAlive(client)).toBe(true);
    await connector.close(client);
  });

  it('is kept alive from when it is watched', async () => {
    const client = await open(way);
    expect(await isKeptAlive(client)).toBe(false);
    watch(client, () => {});
    await expect.poll(() => isKeptAlive(client)).toBe(true);
  });
});

describe('keepalive', () => {
  it.each<[string, pg.ClientConfig, unknown[]]>([
    ['begins after a minute', {}, [[true, 60_000]]],
    ['begins when the app wants', { keepAliveInitialDelayMillis: 5_000 }, [[true, 5_000]]],
    ['stays as the app has turned it on', { keepAlive: true }, []],
    ['stays off when the app wants', { keepAlive: false }, []],
  ])('%s', async (_, chosen, calls) => {
    const client = await open(chosen);
    const setKeepAlive = vi.spyOn(client.connection.stream as Socket, 'setKeepAlive');
    watch(client, () => {});
    expect(setKeepAlive.mock.calls).toEqual(calls);
  });
});
