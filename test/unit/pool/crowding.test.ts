import { describe, expect, it } from 'vitest';
import { parsePolicy } from '../../../packages/core/src/policy/parsePolicy.js';
import type { PolicyOverrides } from '../../../packages/core/src/policy/policy.js';
import { Pool } from '../../../packages/core/src/pool/pool.js';
import { FakeConnector } from '../../support/fakeConnector.js';
import { follow } from '../../support/fakePool.js';
import { FakeRuntime } from '../../support/fakeRuntime.js';

/** A server with so many slots, and pools of one process on it. */
function crowdedServer(slots: number) {
  const runtime = new FakeRuntime();
  const servers: FakeConnector[] = [];
  const live = () => servers.reduce((sum, { live }) => sum + live.length, 0);
  const open = (policy: PolicyOverrides = {}) => {
    const server = new FakeConnector(runtime);
    server.failure = 'full';
    server.connecting = () => (live() < slots ? {} : { error: new Error('too many clients already') });
    server.closing = () => ({ afterMs: 10 });
    server.makesRoom = (_, connection) => servers.some(({ opened }) => opened.includes(connection as never));
    servers.push(server);
    const pool = new Pool(server, parsePolicy({}, { maxAgeJitter: 0, ...policy }), runtime);
    const closings: string[] = [];
    pool.on('closing', (_, reason) => closings.push(reason));
    return { pool, server, closings };
  };
  /** Uses this many connections at once, and leaves them idle. */
  const use = async ({ pool }: ReturnType<typeof open>, count = 1) => {
    const acquiring = Array.from({ length: count }, () => pool.acquire());
    await runtime.settle();
    for (const connection of await Promise.all(acquiring)) pool.release(connection);
    await runtime.settle();
  };
  return { runtime, open, use, live };
}

describe('a server without a free slot', () => {
  it('has the pool that needs one ask for what has been idle longest, and serves its caller when that is closed', async () => {
    const { runtime, open, use } = crowdedServer(2);
    const [cold, warm, asking] = [open(), open(), open()];
    await use(cold);
    await runtime.advance(2_000);
    await use(warm);
    await runtime.advance(2_000);
    const caller = follow(asking.pool.acquire());
    await runtime.settle();
    expect([cold.closings, warm.closings]).toEqual([['crowded'], []]);
    expect(caller.settled).toBe(false);
    await runtime.advance(10);
    expect(caller.value).toBeDefined();
    expect(cold.pool.stats().closed.crowded).toBe(1);
  });

  it('leaves what was used a moment ago, but for one that a pool with nothing gets', async () => {
    const { runtime, open, use } = crowdedServer(3);
    const [busy, asking] = [open(), open()];
    await use(busy, 3);
    await runtime.advance(500);
    const callers = [follow(asking.pool.acquire()), follow(asking.pool.acquire())];
    await runtime.advance(200);
    expect(callers.map(({ settled }) => settled)).toEqual([true, false]);
    expect(busy.closings).toEqual(['crowded']);
    // The second caller is served by the first one's, or by what is idle for a second by then.
    await runtime.advance(2_000);
    expect(callers[1]!.value).toBeDefined();
  });

  it('gets as many as its callers lack', async () => {
    const { runtime, open, use, live } = crowdedServer(6);
    const [idle, asking] = [open(), open({ maxConnections: 10 })];
    await use(idle, 6);
    await runtime.advance(5_000);
    const callers = Array.from({ length: 4 }, () => follow(asking.pool.acquire()));
    await runtime.advance(500);
    expect(callers.filter(({ value }) => value)).toHaveLength(4);
    expect(idle.closings).toEqual(Array(4).fill('crowded'));
    expect(live()).toBe(6);
  });

  it('takes also what another pool keeps for its minimum, which does not take it back as long as the server is full', async () => {
    const { runtime, open } = crowdedServer(1);
    const keeping = open({ minConnections: 1 });
    await runtime.advance(2_000);
    const asking = open();
    const caller = follow(asking.pool.acquire());
    await runtime.advance(50);
    expect(caller.value).toBeDefined();
    await runtime.advance(60_000);
    // It requests no room, since no caller of its own waits.
    expect(asking.closings).toEqual([]);
    expect(keeping.server.connects).toBeLessThan(30);
    asking.pool.release(caller.value!);
    void asking.pool.drain();
    await runtime.advance(6_000);
    expect(keeping.pool.figures.idle).toBe(1);
  });

  it('is asked again and again where all is in use, and its caller refused at the deadline', async () => {
    const { runtime, open } = crowdedServer(1);
    const [busy, asking] = [open(), open({ acquireTimeoutMs: 3_000 })];
    const held = follow(busy.pool.acquire());
    await runtime.settle();
    const caller = follow(asking.pool.acquire());
    await runtime.advance(2_999);
    expect(caller.settled).toBe(false);
    await runtime.advance(1);
    expect(caller.error).toMatchObject({ code: 'TENURE_UNREACHABLE' });
    busy.pool.release(held.value!);
    const next = follow(asking.pool.acquire());
    await runtime.advance(1_000);
    expect(next.value).toBeDefined();
  });

  it('is left in peace by a pool that is closed', async () => {
    const { runtime, open, use } = crowdedServer(1);
    const [gone, asking] = [open(), open()];
    await use(gone);
    const closing = gone.pool.drain();
    const caller = follow(asking.pool.acquire());
    await runtime.advance(1_000);
    await closing;
    expect(gone.closings).toEqual(['closing']);
    expect(caller.value).toBeDefined();
  });
});
