import { type AddressInfo, createServer, connect as dial, Socket } from 'node:net';
import { connectionOf } from '@tenure/core/adapter';
import pg from 'pg';
import Cursor from 'pg-cursor';
import QueryStream from 'pg-query-stream';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { hasPgBouncer, startPgBouncer } from '../../support/pgbouncer.js';
import { usePostgres } from '../../support/usePostgres.js';
import { connectorFor, failure, soon, useClients, watch } from './support.js';
import { turnTlsOn } from './tlsServer.js';

const RETURNS = 100;

const postgres = await usePostgres();
const ca = await turnTlsOn(postgres);
const { host, port, user, password, database } = postgres;
const config = { host, port, user, password, database };

const open = useClients(config);
const session = connectorFor();

/** Longer than any wait in these tests. */
const LONG = 'select pg_sleep(30)';

async function watched(more: pg.ClientConfig = {}) {
  const client = await open(more);
  watch(client, () => {});
  return client;
}

/** Gives up on a query, as `query_timeout` does. A short one may have been answered before that, where the machine was busy elsewhere. */
async function giveUp(client: pg.Client, text: string, ms = 20): Promise<void> {
  const given = { text, query_timeout: ms } as { text: string };
  await client.query(given).catch((error) => expect(error).toMatchObject({ message: 'Query read timeout' }));
}

const pidOf = async (client: pg.Client) => (await client.query('select pg_backend_pid() as pid')).rows[0].pid;
const works = async (client: pg.Client) => expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
const working = () => postgres.activity({ user: 'app', state: 'active' });

describe.each<[string, pg.ClientConfig]>([
  ['TCP', {}],
  ['TLS', { host: 'localhost', ssl: { ca } }],
])('a session whose query was abandoned, over %s', (_, way) => {
  it('is ready again once the query is cancelled, and the server works no more', async () => {
    const client = await watched(way);
    const pid = await pidOf(client);
    await giveUp(client, LONG);
    await session.reset(client, 'settle', soon());
    expect(await working()).toEqual([]);
    expect(await pidOf(client)).toBe(pid);
  });

  it(`never has a later query cancelled, ${RETURNS} times`, async () => {
    const clients = await Promise.all(Array.from({ length: 10 }, () => watched(way)));
    const rounds = clients.map(async (client, index) => {
      for (let round = 0; round < RETURNS / clients.length; round++) {
        // Some end just when their cancel is sent, some a little before and after, and some would never.
        const seconds = round % 5 === 4 ? 30 : 0.2 + 0.01 * (round % 5) + 0.001 * index;
        await giveUp(client, `select pg_sleep(${seconds})`, 10);
        await session.reset(client, 'rollback', soon());
        // Long enough for a cancel that is still under way to hit it.
        await client.query('select pg_sleep(0.005)');
      }
    });
    await Promise.all(rounds);
  });
});

describe('a session that comes back busy', () => {
  it('is cancelled one query after the other, when several were sent', async () => {
    const client = await watched();
    const cursors = [1, 2].map(() => client.query(new Cursor(LONG)));
    const outcomes = cursors.map((cursor) => failure(cursor.read(1)));
    await session.reset(client, 'settle', soon());
    expect(await Promise.all(outcomes)).toMatchObject([{ code: '57014' }, { code: '57014' }]);
    await works(client);
  });

  it('with queries that are no longer than they were meant to be has them all answered', async () => {
    const client = await watched();
    const answers = [0.5, 0.5].map((seconds) => client.query(`select pg_sleep(${seconds}), 1 as one`));
    await session.reset(client, 'settle', soon());
    for (const { rows } of await Promise.all(answers)) expect(rows).toMatchObject([{ one: 1 }]);
  });

  it('with a query that answers no more than its error, whose ReadyForQuery never comes, is given up', async () => {
    const client = await watched();
    Object.assign(client, { readyForQuery: false });
    expect(await failure(session.reset(client, 'settle', soon()))).toMatchObject({ name: 'TimeLimitError' });
  });

  it('with a short query still to be answered is not cancelled', async () => {
    const client = await watched();
    const dialled = vi.spyOn(pg.Connection.prototype as unknown as { connect(): void }, 'connect');
    const answer = client.query('select pg_sleep(0.1), 1 as one');
    await session.reset(client, 'settle', soon());
    expect((await answer).rows).toMatchObject([{ one: 1 }]);
    expect(dialled).not.toHaveBeenCalled();
  });

  it('has its transaction rolled back after the cancel', async () => {
    const client = await watched();
    await client.query('begin');
    await giveUp(client, LONG);
    expect(await session.reset(client, 'rollback', soon())).toEqual({ rolledBack: true });
    expect(session.transactionStatus(client)).toBe('idle');
  });

  it.each([
    ['before its first read', async () => {}],
    ['between two reads', async (cursor: Cursor) => void (await cursor.read(1))],
    ['during a read that takes long', async (cursor: Cursor) => void cursor.read(1_000).catch(() => {})],
  ])('has a cursor closed that was left %s', async (_, read) => {
    const client = await watched();
    await read(client.query(new Cursor('select n, pg_sleep(0.02) from generate_series(1, 1000) n')));
    await session.reset(client, 'settle', soon());
    await works(client);
    expect(await working()).toEqual([]);
  });

  it('has a stream closed that nobody reads', async () => {
    const client = await watched();
    const stream = client.query(new QueryStream('select generate_series(1, 100000)'));
    for (let row = 0; row < 3; row++)
      await new Promise((resolve) => stream.once('readable', resolve)).then(() => stream.read());
    await session.reset(client, 'settle', soon());
    expect(stream.destroyed).toBe(true);
    await works(client);
  });
});

describe('behind a proxy that lets no cancel through', () => {
  /** Passes the first connection on; what happens to those that come after it is up to the test. */
  async function proxied(refuse: (late: Socket) => void) {
    const sockets = new Set<Socket>();
    const server = createServer((down) => {
      down.on('error', () => {});
      sockets.add(down);
      down.on('close', () => sockets.delete(down));
      if (sockets.size > 1) return refuse(down.resume());
      const up = dial(port, host);
      up.on('error', () => {});
      down.pipe(up).pipe(down);
      down.on('close', () => up.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    close.push(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return { port: (server.address() as AddressInfo).port, sockets };
  }
  const close: (() => void)[] = [];
  afterEach(async () => {
    for (const closeOne of close.splice(0)) closeOne();
    // Queries that were not cancelled go on, although their client is gone.
    await postgres.terminateBackends();
  });

  it('a cancel that is never answered keeps the session back until the time is up, and leaves no socket', async () => {
    const proxy = await proxied(() => {});
    const client = await watched({ port: proxy.port });
    await giveUp(client, LONG);
    const controller = new AbortController();
    const outcome = failure(session.reset(client, 'settle', controller.signal));
    await expect.poll(() => proxy.sockets.size).toBe(2);
    const reason = new Error('time is up');
    controller.abort(reason);
    expect(await outcome).toBe(reason);
    await expect.poll(() => proxy.sockets.size).toBe(1);
  });

  it('keeps the session back although its query has ended meanwhile', async () => {
    const proxy = await proxied(() => {});
    const client = await watched({ port: proxy.port });
    await giveUp(client, 'select pg_sleep(0.3)');
    const over = vi.fn();
    const controller = new AbortController();
    const outcome = session.reset(client, 'settle', controller.signal).then(over, over);
    await expect.poll(() => session.transactionStatus(client)).toBe('idle');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(over).not.toHaveBeenCalled();
    controller.abort(new Error('time is up'));
    await outcome;
    expect(over).toHaveBeenCalledWith(controller.signal.reason);
  });

  it('fails with the reason when the session ends instead, and leaves no socket', async () => {
    const proxy = await proxied(() => {});
    const client = await watched({ port: proxy.port });
    await giveUp(client, LONG);
    const outcome = failure(session.reset(client, 'settle', soon()));
    await expect.poll(() => proxy.sockets.size).toBe(2);
    await postgres.terminateBackends();
    expect(await outcome).toMatchObject({ code: '57P01' });
    await expect.poll(() => proxy.sockets.size).toBe(0);
  });

  it('a cancel that is refused makes the session unusable', async () => {
    const proxy = await proxied((late) => late.resetAndDestroy());
    const client = await watched({ port: proxy.port });
    await giveUp(client, LONG);
    expect(await failure(session.reset(client, 'settle', soon()))).toMatchObject({ code: 'ECONNRESET' });
  });
});

it("a cancel goes through the app's own stream", async () => {
  const stream = vi.fn(() => new Socket());
  const { reset } = connectorFor({ stream });
  const client = await open({ stream });
  watch(client, () => {});
  await giveUp(client, LONG);
  await reset(client, 'settle', soon());
  expect(stream).toHaveBeenCalledTimes(2);
  await works(client);
});

describe.skipIf(!hasPgBouncer()).each(['session', 'transaction'] as const)(
  'behind PgBouncer, in %s mode',
  (poolMode) => {
    it(`an abandoned query is cancelled, and never a later one, ${RETURNS / 2} times`, async () => {
      await using bouncer = await startPgBouncer({ upstream: postgres, poolMode });
      const clients = await Promise.all(
        Array.from({ length: 5 }, async () => {
          const client = new pg.Client(bouncer.url);
          connectionOf(client);
          await client.connect();
          return client;
        }),
      );
      const rounds = clients.map(async (client, index) => {
        for (let round = 0; round < RETURNS / 2 / clients.length; round++) {
          const seconds = round % 2 ? 30 : 0.2 + 0.002 * index;
          await giveUp(client, `select pg_sleep(${seconds})`, 10);
          await session.reset(client, 'rollback', soon());
          await client.query('select pg_sleep(0.005)');
        }
      });
      await Promise.all(rounds);
      expect(await working()).toEqual([]);
      await Promise.all(clients.map((client) => client.end()));
    });
  },
);
