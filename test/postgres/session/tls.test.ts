import { TLSSocket } from 'node:tls';
import { type PgConfig, pgConnector } from '@tenure/core/pg';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';
import { selfSigned } from './certificate.js';
import { failure, soon } from './support.js';
import { turnTlsOn } from './tlsServer.js';

const postgres = await usePostgres();
const ca = await turnTlsOn(postgres);
const { port, user, password, database } = postgres;
const config = { host: 'localhost', port, user, password, database };
const onLost = vi.fn<(cause?: Error) => void>();
afterEach(() => onLost.mockReset());

const open = (target: PgConfig) => pgConnector(target).connect(soon(), onLost, () => {});

describe.each([
  ['asked for first', { ...config, ssl: { ca } }],
  ['from the first byte', { ...config, ssl: { ca }, sslnegotiation: 'direct' as const }],
])('a session over TLS, %s', (_, target) => {
  const session = pgConnector(target);

  it('is opened, checked, reset and closed', async () => {
    const client = await session.connect(soon(), onLost, () => {});
    expect(client.connection.stream).toBeInstanceOf(TLSSocket);
    await session.ping?.(client, soon());
    await client.query('begin');
    expect(await session.reset?.(client, 'session', soon())).toEqual({ rolledBack: true });
    await session.close(client);
    expect(client.connection.stream.destroyed).toBe(true);
    expect(session.isOpen?.(client)).toBe(false);
    expect(onLost).not.toHaveBeenCalled();
  });

  it('is known to be lost', async () => {
    const client = await session.connect(soon(), onLost, () => {});
    await postgres.terminateBackends();
    await expect.poll(() => onLost).toHaveBeenCalledTimes(1);
    expect(onLost.mock.calls[0]?.[0]).toMatchObject({ code: '57P01' });
    expect(session.isOpen?.(client)).toBe(false);
  });

  it('is aborted at once', async () => {
    const client = await session.connect(soon(), onLost, () => {});
    session.abort?.(client);
    await expect.poll(() => postgres.activity()).toEqual([]);
    expect(onLost).not.toHaveBeenCalled();
  });
});

describe('TLS that is refused', () => {
  it.each<[string, object, string]>([
    ['because nobody vouches for the certificate', {}, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ['because someone else does', { ca: selfSigned('localhost').certificate }, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
  ])('%s is permanent', async (_, ssl, code) => {
    const error = await failure(open({ ...config, ssl }));
    expect(error).toMatchObject({ code });
    expect(pgConnector(config).classifyConnectError?.(error)).toBe('permanent');
  });

  it('because the certificate is for another name is permanent', async () => {
    const error = await failure(open({ ...config, host: '127.0.0.1', ssl: { ca } }));
    expect(error).toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
    expect(pgConnector(config).classifyConnectError?.(error)).toBe('permanent');
  });
});
