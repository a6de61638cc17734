import { describe, expect, it } from 'vitest';
import { TenureConnectionLostError } from '../../../packages/core/src/errors.js';
import type { PolicyOverrides } from '../../../packages/core/src/policy/policy.js';
import type { FakeConnection } from '../../support/fakeConnector.js';
import { fakePool, take, warm } from '../../support/fakePool.js';

/** A pool whose driver reports queries in flight, and a server that reports which connections it has not. */
function watched(policy: PolicyOverrides = {}) {
  const queries = new Map<FakeConnection, { query: object; bytes: number }>();
  const gone = new Set<FakeConnection>();
  const broken = new Map<FakeConnection, Error>();
  const asked: { at: number; suspects: number[]; over: number }[] = [];
  const fake = fakePool({ inFlightCheckMs: 10_000, keepaliveMs: 'none', ...policy }, (server) => {
    server.queryInFlight = (connection) => queries.get(connection);
    server.breakOff = (connection, error) => {
      broken.set(connection, error);
      connection.lose(error);
    };
    server.findLost = async (suspects, { over }) => {
      asked.push({ at: fake.runtime.time, suspects: suspects.map(({ id }) => id), over: over.id });
      return new Map(suspects.filter((one) => gone.has(one)).map((one) => [one, 'is gone']));
    };
  });
  const send = (connection: FakeConnection) => queries.set(connection, { query: {}, bytes: 100 });
  return { ...fake, fake, queries, gone, broken, asked, send };
}

describe('a query in flight', () => {
  it('is asked about after inFlightCheckMs, over an idle connection, and at twice the time each time', async () => {
    const { fake, send, asked, runtime, pool } = watched({ idleTimeoutMs: 'none' });
    await warm(fake, 1);
    const [held, idle] = [await take(fake), await take(fake)];
    pool.release(idle);
    const from = runtime.time;
    send(held);
    await runtime.advance(100_000);
    expect(asked.map(({ at }) => at - from)).toEqual([10_000, 20_000, 40_000, 80_000]);
    expect(asked[0]).toMatchObject({ suspects: [held.id], over: idle.id });
    expect(held.ended).toBeUndefined();
  });

  it('whose session is gone ends with an error that says so, once the connection has stayed silent for a while more', async () => {
    const { fake, send, gone, broken, runtime } = watched();
    const held = await take(fake);
    send(held);
    gone.add(held);
    await runtime.advance(14_999);
    expect(broken.size).toBe(0);
    await runtime.advance(1);
    expect(broken.get(held)).toBeInstanceOf(TenureConnectionLostError);
    expect(broken.get(held)).toMatchObject({ code: 'TENURE_CONNECTION_LOST', reason: 'is gone', processId: 1001 });
  });

  it('on whose connection something has moved meanwhile is left alone', async () => {
    const { fake, send, gone, broken, queries, runtime } = watched();
    const held = await take(fake);
    send(held);
    gone.add(held);
    await runtime.advance(12_000);
    queries.get(held)!.bytes++;
    await runtime.advance(6_000);
    expect(broken.size).toBe(0);
  });

  it('is asked about together with all that are long, over one connection more where they take all places', async () => {
    const { fake, send, asked, runtime, server, pool } = watched({ maxConnections: 2 });
    const held = [await take(fake), await take(fake)];
    for (const one of held) send(one);
    await runtime.advance(11_000);
    expect(asked).toEqual([{ at: 10_000, suspects: [1, 2], over: 3 }]);
    expect(server.live).toHaveLength(2);
    expect(pool.stats().closed.overflow).toBe(1);
  });

  it('that is short is not asked about, however long its connection is held', async () => {
    const { fake, send, asked, runtime, queries } = watched();
    const held = await take(fake);
    for (let query = 0; query < 30; query++) {
      send(held);
      await runtime.advance(2_000);
      queries.delete(held);
      await runtime.advance(1_000);
    }
    expect(asked).toEqual([]);
  });

  it('is not looked for with `none`', async () => {
    const { fake, send, gone, asked, runtime } = watched({ inFlightCheckMs: 'none' });
    const held = await take(fake);
    send(held);
    gone.add(held);
    await runtime.advance(100_000);
    expect(asked).toEqual([]);
  });

  it('is asked about again when nobody could be asked', async () => {
    const { fake, send, gone, broken, runtime, server } = watched({ maxConnections: 1, connectTimeoutMs: 1_000 });
    const held = await take(fake);
    send(held);
    gone.add(held);
    server.connecting = () => 'never';
    await runtime.advance(35_000);
    expect(broken.size).toBe(0);
    server.connecting = () => ({});
    await runtime.advance(20_000);
    expect(broken.has(held)).toBe(true);
  });
});
