import { Socket } from 'node:net';
import { poolOf } from '@tenure/knex';
import type { Knex } from 'knex';
import { describe, expect, it, vi } from 'vitest';
import { turnTlsOn } from '../postgres/session/tlsServer.js';
import { usePostgres } from '../support/usePostgres.js';
import { useKnex } from './support.js';

const IN_A_ROW = 100;

/** A slow machine may need more time for a cancel than a check may take. */
const PATIENT = { healthTimeoutMs: 10_000 };

const postgres = await usePostgres();
const ca = await turnTlsOn(postgres);
const { open } = useKnex(postgres);
const { host, port, user, password, database } = postgres;

const pid = async (db: Knex) => (await db.raw('select pg_backend_pid() as pid')).rows[0].pid;
const timedOut = { name: 'KnexTimeoutError', message: expect.stringContaining('Defined query timeout of') };

describe.each([
  ['TCP', postgres.url],
  ['TLS', { host: 'localhost', port, user, password, database, ssl: { ca } }],
] as [string, Knex.Config['connection']][])('a query with .timeout(ms, { cancel: true }) over %s', (_, connection) => {
  const single = () => open({ connection: connection! }, { ...PATIENT, maxConnections: 1 });

  it('is cancelled on the server, and costs neither its connection nor another', async () => {
    const db = single();
    const first = await pid(db);
    await postgres.admin('alter role app connection limit 1');
    await expect(db.raw('select pg_sleep(30)').timeout(50, { cancel: true })).rejects.toMatchObject(timedOut);
    await postgres.admin('alter role app connection limit -1');
    expect(await postgres.activity({ state: 'active' })).toEqual([]);
    expect(await pid(db)).toBe(first);
    expect(poolOf(db).stats()).toMatchObject({ opened: 1, used: 0, idle: 1 });
  });

  it(`never harms the next query, ${IN_A_ROW} times in a row`, async () => {
    const db = single();
    let cancelled = 0;
    for (let i = 0; i < IN_A_ROW; i++) {
      // Close to the time the query takes, so that the cancel comes now before and now after its end.
      await db
        .raw('select pg_sleep(0.005)')
        .timeout(1 + (i % 10), { cancel: true })
        .catch(() => cancelled++);
      await db.raw('select 1');
    }
    expect(cancelled).toBeGreaterThan(0);
    expect(poolOf(db).stats().opened).toBe(1);
  });

  it('fails its transaction, which is rolled back', async () => {
    const db = single();
    const broken = db.transaction(async (trx) => trx.raw('select pg_sleep(30)').timeout(50, { cancel: true }));
    await expect(broken).rejects.toMatchObject(timedOut);
    await db.raw('select 1');
    expect(poolOf(db).stats()).toMatchObject({ opened: 1, rolledBack: 0 });
  });
});

describe('a query with .timeout(ms) alone', () => {
  it('is cancelled when its connection comes back, which is then used again', async () => {
    const db = open({}, { ...PATIENT, maxConnections: 1 });
    const first = await pid(db);
    await expect(db.raw('select pg_sleep(30)').timeout(50)).rejects.toMatchObject(timedOut);
    expect(await pid(db)).toBe(first);
    expect(await postgres.activity({ state: 'active' })).toEqual([]);
    expect(poolOf(db).stats()).toMatchObject({ opened: 1, used: 0, idle: 1 });
  });

  it(`never harms the next query, ${IN_A_ROW} times on five connections`, async () => {
    const db = open({}, { ...PATIENT, maxConnections: 5 });
    const giveUpAndGoOn = async (_: unknown, index: number) => {
      // Some end by themselves just when their cancel is sent, or before the time limit is seen to be over; some never would.
      const seconds = index % 5 === 4 ? 30 : 0.2 + 0.01 * (index % 5);
      const query = db.raw('select pg_sleep(?)', [seconds]).timeout(10);
      await query.catch((error) => expect(error).toMatchObject(timedOut));
      await db.raw('select pg_sleep(0.005)');
    };
    await Promise.all(Array.from({ length: IN_A_ROW }, giveUpAndGoOn));
    expect(poolOf(db).stats()).toMatchObject({ opened: 5, closed: { broken: 0 } });
  });

  it("is cancelled by way of the app's own stream", async () => {
    const stream = vi.fn(() => new Socket());
    const db = open({ connection: { host, port, user, password, database, stream } }, { maxConnections: 1 });
    await expect(db.raw('select pg_sleep(30)').timeout(50)).rejects.toMatchObject(timedOut);
    await db.raw('select 1');
    expect(stream).toHaveBeenCalledTimes(2);
    expect(poolOf(db).stats().opened).toBe(1);
  });

  it('fails its transaction, whose connection is used again', async () => {
    const db = open({}, { ...PATIENT, maxConnections: 1 });
    const first = await pid(db);
    const broken = db.transaction(async (trx) => trx.raw('select pg_sleep(1)').timeout(50));
    await expect(broken).rejects.toMatchObject(timedOut);
    expect(await pid(db)).toBe(first);
  });
});

it('a cancel that fails has the connection dropped, since it might still arrive', async () => {
  const db = open({}, { maxConnections: 1 });
  const first = await pid(db);
  db.client.driver = { ...db.client.driver, Connection: class {} };
  await expect(db.raw('select pg_sleep(1)').timeout(50, { cancel: true })).rejects.toThrow(
    'cancelling of query failed',
  );
  expect(await pid(db)).not.toBe(first);
});
