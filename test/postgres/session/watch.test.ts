import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { hasPgBouncer, startPgBouncer } from '../../support/pgbouncer.js';
import { usePostgres } from '../../support/usePostgres.js';
import { connectorFor, ended, failure, soon, useClients, watch } from './support.js';

const postgres = await usePostgres();
const open = useClients({ connectionString: postgres.url });
const session = connectorFor();
const onLost = vi.fn<(cause?: Error) => void>();

// Anything that Node would have died of.
const uncaught = vi.fn();
beforeEach(() => {
  onLost.mockReset();
  uncaught.mockReset();
  process.on('uncaughtException', uncaught).on('unhandledRejection', uncaught);
});
afterEach(() => {
  process.off('uncaughtException', uncaught).off('unhandledRejection', uncaught);
  expect(uncaught).not.toHaveBeenCalled();
});

async function watched() {
  const client = await open();
  watch(client, onLost);
  return client;
}

describe('a connection that is lost', () => {
  it('is told once, with what the server said last', async () => {
    const client = await watched();
    const end = ended(client);
    await postgres.terminateBackends();
    await end;
    expect(onLost).toHaveBeenCalledTimes(1);
    expect(onLost.mock.calls[0]?.[0]).toMatchObject({ code: '57P01' });
  });

  it('is told once when a query was in flight, which got the reason', async () => {
    const client = await watched();
    const end = ended(client);
    const query = failure(client.query('select pg_sleep(30)'));
    await postgres.terminateBackends();
    expect(await query).toMatchObject({ code: '57P01' });
    await end;
    expect(onLost).toHaveBeenCalledTimes(1);
    expect(onLost.mock.calls[0]?.[0]).toMatchObject({ code: '57P01' });
  });

  it('is not blamed on an earlier error', async () => {
    const client = await watched();
    await failure(client.query('select 1/0'));
    await session.reset(client, 'settle', soon());
    const end = ended(client);
    client.connection.stream.destroy();
    await end;
    expect(onLost.mock.calls).toEqual([[expect.objectContaining({ message: 'Connection terminated unexpectedly' })]]);
  });

  it('is told when the socket fails', async () => {
    const client = await watched();
    const end = ended(client);
    const error = new Error('read ECONNRESET');
    client.connection.stream.destroy(error);
    await end;
    expect(onLost.mock.calls).toEqual([[error]]);
  });

  it('is told when someone else has closed it', async () => {
    const client = await watched();
    await client.end();
    await expect.poll(() => onLost).toHaveBeenCalledTimes(1);
    expect(onLost.mock.calls[0]?.[0]).toMatchObject({ message: expect.stringContaining('client.end() was called') });
  });

  it('is told when it had ended before anyone watched', async () => {
    const client = await open();
    client.on('error', () => {});
    const end = ended(client);
    await postgres.terminateBackends();
    await end;
    watch(client, onLost);
    expect(onLost).not.toHaveBeenCalled();
    await Promise.resolve();
    expect(onLost).toHaveBeenCalledTimes(1);
  });
});

describe('the end of a connection', () => {
  it.each([
    ['57P05', `set idle_session_timeout = '30ms'`],
    ['25P03', `set idle_in_transaction_session_timeout = '30ms'; begin`],
    ['25P04', `set transaction_timeout = '30ms'; begin`],
  ])('by %s concerns this session alone', async (code, sql) => {
    const client = await watched();
    const end = ended(client);
    await client.query(sql);
    await end;
    const [cause] = onLost.mock.calls[0]!;
    expect(cause).toMatchObject({ code });
    expect(session.classifyLoss(cause)).toBe('session');
  });

  it('by the app concerns this session alone', async () => {
    const client = await watched();
    await client.end();
    await expect.poll(() => onLost).toHaveBeenCalledTimes(1);
    expect(session.classifyLoss(onLost.mock.calls[0]![0])).toBe('app');
  });

  it.each(['client_idle_timeout', 'idle transaction timeout', 'query timeout'])(
    'by "%s" of PgBouncer concerns this session alone',
    (message) => {
      expect(session.classifyLoss(Object.assign(new Error(message), { code: '08P01' }))).toBe('session');
    },
  );

  it.skipIf(!hasPgBouncer())('by a time limit of PgBouncer says so in these words', async () => {
    await using bouncer = await startPgBouncer({
      upstream: postgres,
      poolMode: 'transaction',
      settings: { client_idle_timeout: 1 },
    });
    const client = await open({ connectionString: bouncer.url });
    watch(client, onLost);
    await ended(client);
    const [cause] = onLost.mock.calls[0]!;
    expect(cause).toMatchObject({ code: '08P01', message: 'client_idle_timeout' });
    expect(session.classifyLoss(cause)).toBe('session');
  });

  it('by whatever else is news about the server', async () => {
    const client = await watched();
    const end = ended(client);
    await postgres.terminateBackends();
    await end;
    const [cause] = onLost.mock.calls[0]!;
    expect(cause).toMatchObject({ code: '57P01' });
    const causes = [cause, undefined, new Error('read ECONNRESET'), Object.assign(new Error(), { code: 'EPIPE' })];
    expect(causes.map((one) => session.classifyLoss(one))).toEqual(causes.map(() => 'server'));
  });
});

describe('a connection that is closed', () => {
  it('is no loss, and its socket is gone', async () => {
    const client = await watched();
    await session.close(client);
    expect(client.connection.stream.destroyed).toBe(true);
    expect(session.isOpen(client)).toBe(false);
    await expect.poll(() => postgres.activity()).toEqual([]);
    expect(onLost).not.toHaveBeenCalled();
  });

  it('may be closed again, at once and later', async () => {
    const client = await watched();
    await Promise.all([session.close(client), session.close(client)]);
    await session.close(client);
  });

  it('closes although a query is in flight', async () => {
    const client = await watched();
    const query = failure(client.query('select pg_sleep(30)'));
    await session.close(client);
    expect(await query).toMatchObject({ message: 'Connection terminated' });
    expect(onLost).not.toHaveBeenCalled();
  });

  it.each([
    ['the server has ended it', () => postgres.terminateBackends()],
    ['its socket has failed', async (client: Watched) => client.connection.stream.destroy(new Error('ECONNRESET'))],
  ])('closes when %s', async (_, kill) => {
    const client = await watched();
    await kill(client);
    await session.close(client);
    await session.close(client);
  });

  it('stays quiet when it fails after its retirement', async () => {
    const client = await watched();
    await session.close(client);
    client.emit('error', new Error('too late'));
    client.connection.emit('error', new Error('too late'));
    expect(onLost).not.toHaveBeenCalled();
  });
});

type Watched = Awaited<ReturnType<typeof watched>>;

describe('a connection that is aborted', () => {
  it('is no loss, and ends at once', async () => {
    const client = await watched();
    const end = ended(client);
    expect(session.abort(client)).toBeUndefined();
    expect(session.isOpen(client)).toBe(false);
    await end;
    expect(onLost).not.toHaveBeenCalled();
  });

  it('fails the query in flight, and what waits for it', async () => {
    const client = await watched();
    const query = failure(client.query('select pg_sleep(30)'));
    const reset = failure(session.reset(client, 'rollback', soon()));
    session.abort(client);
    expect(await query).toMatchObject({ message: 'Connection terminated unexpectedly' });
    expect(await reset).toMatchObject({ message: 'Connection terminated unexpectedly' });
  });

  it('may be aborted in any state, and closed after', async () => {
    const client = await watched();
    session.abort(client);
    session.abort(client);
    await session.close(client);
    session.abort(client);
  });
});

describe('a connection whose peer hangs up without a word', () => {
  let server: ReturnType<typeof createServer>;
  let upstream: Socket[];
  beforeEach(async () => {
    upstream = [];
    server = createServer({ allowHalfOpen: true }, (down) => {
      const up = dial(postgres.port, postgres.host);
      upstream.push(down);
      for (const socket of [up, down]) socket.on('error', () => {});
      down.pipe(up, { end: false });
      up.pipe(down, { end: false });
      down.on('close', () => up.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterEach(() => {
    for (const socket of upstream) socket.destroy();
    server.close();
  });

  it('is seen to be closed as soon as the FIN has been read', async () => {
    const { port } = server.address() as AddressInfo;
    const client = await open({ host: postgres.host, port, user: 'app', password: 'app', connectionString: undefined });
    watch(client, onLost);
    const openAtEnd = new Promise<boolean>((resolve) =>
      client.connection.stream.once('end', () => resolve(session.isOpen(client))),
    );
    for (const socket of upstream) socket.end();
    expect(await openAtEnd).toBe(false);
    await expect.poll(() => onLost).toHaveBeenCalledTimes(1);
    expect(await failure(session.ping(client, soon()))).toBeInstanceOf(Error);
    await session.close(client);
  });
});
