import pg from 'pg';
import Cursor from 'pg-cursor';
import { describe, expect, it, onTestFinished } from 'vitest';
import { hasPgBouncer, startPgBouncer } from '../../support/pgbouncer.js';
import { startPostgres } from '../../support/postgres.js';
import { useProxy } from '../../support/proxy/useProxy.js';
import { usePostgres } from '../../support/usePostgres.js';
import { connectorFor, failure, soon, watch } from './support.js';

const postgres = await usePostgres();
const { queryInFlight, findLost, breakOff } = connectorFor<pg.Client>();

/** A client in care, until the end of the test. */
async function connect(to: pg.ClientConfig = {}): Promise<pg.Client> {
  const { host, port, user, password, database } = postgres;
  const client = new pg.Client({ host, port, user, password, database, ...to });
  await client.connect();
  watch(client, () => {});
  onTestFinished(() => client.end());
  return client;
}

const pidOf = (client: pg.Client) => (client as unknown as { processID: number }).processID;
const reasons = async (suspects: pg.Client[], over: pg.Client, alive: pg.Client[] = []) => [
  ...(await findLost(suspects, { over, alive }, soon())).values(),
];

describe('what is in flight', () => {
  it('is a query whose answer has not come, the same object as long as it is the same query', async () => {
    const client = await connect();
    expect(queryInFlight(client)).toBeUndefined();
    const sleeping = client.query('select pg_sleep(0.2)');
    await expect.poll(() => queryInFlight(client)).toBeDefined();
    const { query } = queryInFlight(client)!;
    expect(queryInFlight(client)!.query).toBe(query);
    await sleeping;
    expect(queryInFlight(client)).toBeUndefined();
  });

  it('is nothing in a transaction that rests', async () => {
    const client = await connect();
    await client.query('begin');
    expect(queryInFlight(client)).toBeUndefined();
  });
});

describe('the server is asked about', () => {
  it('a session that works, or a cursor that waits for its reader: not lost', async () => {
    const [over, working, reading] = [await connect(), await connect(), await connect()];
    const done = working.query('select pg_sleep(1)');
    const cursor = reading.query(new Cursor('select generate_series(1, 1000)'));
    await cursor.read(10);
    expect(await reasons([working, reading], over)).toEqual([]);
    await done;
    await cursor.close();
  });

  it('a session that rests, or is gone: lost', async () => {
    const [over, idle, inTransaction, gone] = [await connect(), await connect(), await connect(), await connect()];
    await inTransaction.query('begin');
    await postgres.terminateBackends({ pid: pidOf(gone) });
    expect(await reasons([idle, inTransaction, gone], over)).toEqual(['is idle', 'is idle in transaction', 'is gone']);
  });

  it('a session whose state the role may not see: not lost', async () => {
    await postgres.admin(`create role stranger login password 'app'`);
    const [over, idle] = [await connect({ user: 'stranger' }), await connect()];
    expect(await reasons([idle], over)).toEqual([]);
  });

  it('where sessions are not tracked: not lost', async () => {
    const [over, idle] = [await connect(), await connect()];
    await postgres.admin('alter role app set track_activities = off');
    onTestFinished(() => void postgres.admin('alter role app reset track_activities'));
    const untracked = await connect();
    expect(await reasons([untracked], over)).toEqual([]);
    expect(await reasons([idle], over)).toEqual(['is idle']);
  });

  it.skipIf(!hasPgBouncer())('behind a pooler, whose process IDs are its own: nothing is lost', async () => {
    await using bouncer = await startPgBouncer({ upstream: postgres, poolMode: 'transaction' });
    const { host, port } = bouncer;
    const [over, idle] = [await connect({ host, port }), await connect({ host, port })];
    expect(await reasons([idle], over)).toEqual([]);
  });

  it('a session at another address, or on another server at the same one, as a session that is alive shows: not lost', async () => {
    await using other = await startPostgres();
    const proxy = await useProxy(postgres);
    const { host, port } = proxy;
    const [direct, long, alive] = [await connect(), await connect({ host, port }), await connect({ host, port })];
    proxy.retarget(other);
    const over = await connect({ host, port });
    expect(await reasons([direct], over)).toEqual([]);
    expect(await reasons([long], over, [alive])).toEqual([]);
  });
});

it('a connection that is broken off gives its error to all who wait for an answer on it', async () => {
  const client = await connect();
  const [active, queued] = [failure(client.query('select pg_sleep(20)')), failure(client.query('select 1'))];
  await expect.poll(() => queryInFlight(client)).toBeDefined();
  const lost = new Error('lost');
  breakOff(client, lost);
  expect(await active).toBe(lost);
  expect(await queued).toBe(lost);
});
