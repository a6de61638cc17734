import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePolicy } from '../../../packages/core/src/policy/parsePolicy.js';
import type { PolicyOverrides } from '../../../packages/core/src/policy/policy.js';
import { Pool } from '../../../packages/core/src/pool/pool.js';
import { SharedLimit } from '../../../packages/core/src/pool/sharedLimit.js';
import { type FakeConnection as Connection, FakeConnector } from '../../support/fakeConnector.js';
import { follow } from '../../support/fakePool.js';
import { FakeRuntime } from '../../support/fakeRuntime.js';

type FakeEngine = Pool<Connection>;

/** Pools over one fake server that keep to one limit together. */
function siblings(count: number, policy: PolicyOverrides, prepare: (server: FakeConnector) => void = () => {}) {
  const runtime = new FakeRuntime();
  const server = new FakeConnector(runtime);
  prepare(server);
  let limit: SharedLimit | undefined = new SharedLimit(runtime);
  const checked = parsePolicy({}, { maxAgeJitter: 0, ...policy });
  const pools = Array.from({ length: count }, () => new Pool(server, checked, runtime, () => limit));
  const take = async (pool: FakeEngine) => {
    const acquiring = follow(pool.acquire());
    await runtime.advance(10);
    return acquiring;
  };
  const useOnce = async (pool: FakeEngine) => {
    const { value } = await take(pool);
    pool.release(value!);
    await runtime.advance(10);
    return value!;
  };
  const moveTo = (other: SharedLimit | undefined) => {
    limit = other;
  };
  return { runtime, server, pools, take, useOnce, moveTo };
}

/** Two pools, by name. */
function two(policy: PolicyOverrides, prepare?: (server: FakeConnector) => void) {
  const { pools, ...rest } = siblings(2, policy, prepare);
  return { ...rest, one: pools[0] as FakeEngine, other: pools[1] as FakeEngine };
}

describe('Pools that share a limit', () => {
  it('never use each other’s connections', async () => {
    const { one, other, useOnce } = two({ maxConnections: 3 });
    const [first, second] = [await useOnce(one), await useOnce(other)];
    expect(second).not.toBe(first);
    expect(() => other.release(first)).toThrow('not checked out of this pool');
  });

  it('hold no more than one of them would, however many are made and forgotten', async () => {
    const { server, pools, useOnce } = siblings(30, { maxConnections: 3 });
    for (const pool of pools) {
      await useOnce(pool);
      expect(server.live).toHaveLength(1);
    }
  });

  it('lose one idle connection to a new pool, however many callers it has, and while there is room no more', async () => {
    const { one, other, take, runtime, server } = two({ maxConnections: 8 });
    const held = [await take(one), await take(one), await take(one)];
    for (const { value } of held) one.release(value!);
    const calls = Array.from({ length: 4 }, () => follow(other.acquire()));
    await runtime.advance(50);
    expect(calls.map(({ settled }) => settled)).toEqual([true, true, true, true]);
    expect(server.live).toHaveLength(6);
    expect(one.stats()).toMatchObject({ idle: 2, closed: { overflow: 1 } });
  });

  it('keep what they have once they have come back for it', async () => {
    const { one, other, useOnce, server } = two({ maxConnections: 3 });
    for (let turn = 0; turn < 10; turn++) for (const pool of [one, other]) await useOnce(pool);
    expect(server.live).toHaveLength(2);
    // The first connection of `other` took the place of that of `one`, which came back and opened another.
    expect(server.connects).toBe(3);
  });

  it('open no more than the limit allows, and the caller who lacks a place gets that of the longest idle', async () => {
    const { one, other, take, useOnce, server, runtime } = two({ maxConnections: 2 });
    const held = await take(one);
    await useOnce(one);
    const waiting = await take(other);
    expect(waiting.value).toBeDefined();
    expect(server.live).toHaveLength(2);
    const late = await take(one);
    expect(late.settled).toBe(false);
    other.release(waiting.value!);
    await runtime.advance(300);
    expect(late.value).toBeDefined();
    expect(held.value?.ended).toBeUndefined();
    expect(one.stats()).toMatchObject({ owners: 2, used: 2, closed: { overflow: 1 } });
  });

  it('close one idle connection for each that is opened in its place', async () => {
    const { pools, useOnce, server } = siblings(4, { maxConnections: 2 });
    for (const pool of pools) await useOnce(pool);
    for (let turn = 0; turn < 20; turn++) {
      await useOnce(pools[turn % 4] as FakeEngine);
      expect(server.live).toHaveLength(2);
    }
    expect(server.connects).toBeLessThan(26);
  });

  it('share out the places when all want them, and none waits for ever', async () => {
    const { pools, runtime, server } = siblings(3, { maxConnections: 2 });
    const served = [0, 0, 0];
    let stopped = false;
    const work = async (index: number) => {
      const pool = pools[index] as FakeEngine;
      while (!stopped) {
        const connection = await pool.acquire();
        await runtime.sleep(20);
        served[index]!++;
        pool.release(connection);
      }
    };
    const workers = [0, 1, 2, 0, 1, 2].map(work);
    for (let step = 0; step < 100; step++) {
      await runtime.advance(20);
      expect(server.live.length).toBeLessThanOrEqual(2);
    }
    stopped = true;
    await runtime.advance(1_000);
    await Promise.all(workers);
    for (const count of served) expect(count).toBeGreaterThan(30);
    // A connection serves its own pool for a while before its place goes on.
    expect(server.connects).toBeLessThan(60);
  });

  it('do not take a place from a pool that has no more than they have', async () => {
    const { one, other, take, runtime, server } = two({ maxConnections: 2 });
    const [mine, theirs] = [await take(one), await take(other)];
    const more = follow(other.acquire());
    const again = follow(one.acquire());
    await runtime.advance(500);
    one.release(mine.value!);
    await runtime.advance(10);
    expect(again.value).toBe(mine.value);
    expect(more.settled).toBe(false);
    expect(server.connects).toBe(2);
    other.release(theirs.value!);
    await runtime.advance(10);
    expect(more.value).toBe(theirs.value);
  });

  it('keep the minimum warm together', async () => {
    const { server, runtime } = siblings(5, { maxConnections: 5, minConnections: 2 });
    await runtime.advance(1_000);
    expect(server.live).toHaveLength(2);
  });

  it('keep as many idle as one of them would', async () => {
    const { pools, take, runtime, server } = siblings(3, { maxConnections: 6, reuseConnections: 2 });
    const held = [];
    for (const pool of [...pools, ...pools]) held.push({ pool, connection: (await take(pool)).value! });
    for (const { pool, connection } of held) pool.release(connection);
    await runtime.advance(5_000);
    expect(server.live).toHaveLength(2);
  });

  it('go on when one of them closes, and get its places', async () => {
    const { one, other, take, runtime } = two({ maxConnections: 2 });
    const held = [await take(one), await take(one)];
    const waiting = follow(other.acquire());
    const drained = follow(one.drain());
    for (const { value } of held) one.release(value!);
    await runtime.advance(10);
    expect(drained.settled).toBe(true);
    expect(waiting.value).toBeDefined();
    expect(other.stats().owners).toBe(1);
  });

  it('give the place of a connect that failed to the next', async () => {
    const { one, other, take, runtime, server } = two({ maxConnections: 2 });
    const held = await take(one);
    server.connecting = () => ({ afterMs: 50, error: new Error('refused') });
    const failing = follow(one.acquire({ timeoutMs: 60 }));
    await runtime.advance(1);
    const waiting = follow(other.acquire());
    server.connecting = () => ({});
    await runtime.advance(2_000);
    expect(failing.settled).toBe(true);
    expect(waiting.value).toBeDefined();
    one.release(held.value!);
  });

  it('say in the error of a caller who waited in vain who has the connections', async () => {
    const { one, other, take, runtime } = two({ maxConnections: 2 });
    const held = [await take(one), await take(one)];
    for (const { value } of held) value!.status = 'active';
    const waiting = follow(other.acquire({ timeoutMs: 500 }));
    await runtime.advance(600);
    expect((waiting.error as Error).message).toContain('Other pools have 2 of the 2');
    expect((waiting.error as Error).message).toContain('CONN_SHARE=none');
  });
});

describe('Pools that wait for each other', () => {
  it('have a limit of their own from then on, as they would have had without sharing', async () => {
    const { one, other, take, runtime } = two({ maxConnections: 2 });
    // The locks, for work that is then done through the other pool.
    const locks = [await take(one), await take(one)];
    const work = locks.map(() => follow(other.acquire()));
    await runtime.advance(3_000);
    expect(work.map(({ settled }) => settled)).toEqual([true, true]);
    expect(other.stats()).toMatchObject({ owners: 1, used: 2 });
    expect(one.stats()).toMatchObject({ owners: 1, used: 2 });
  });

  it('are told from those that have much to do', async () => {
    const { one, other, take, runtime, server } = two({ maxConnections: 2, acquireTimeoutMs: 10_000 });
    const busy = [await take(one), await take(one)];
    busy[0]!.value!.status = 'active';
    const waiting = follow(other.acquire());
    await runtime.advance(5_000);
    expect(waiting.settled).toBe(false);
    expect(server.connects).toBe(2);
    one.release(busy[1]!.value!);
    await runtime.advance(10);
    expect(waiting.value).toBeDefined();
  });
});

describe('A pool that closes while its connections are in use', () => {
  it('keeps their places until they are gone: others wait for them, and open none beside them', async () => {
    const { one, other, take, runtime, server } = two({ maxConnections: 2 });
    const held = [await take(one), await take(one)];
    for (const { value } of held) value!.status = 'active';
    void one.drain();
    expect(other.stats().owners).toBe(1);
    const waiting = follow(other.acquire());
    await runtime.advance(2_500);
    expect(waiting.settled).toBe(false);
    expect(server.live).toHaveLength(2);
    one.release(held[0]!.value!);
    await runtime.advance(10);
    expect(waiting.value).toBeDefined();
    expect(server.live).toHaveLength(2);
  });
});

describe('A pool that connects to something else from now on', () => {
  it('leaves the limit, and its connections count for it no more', async () => {
    const { one, other, take, runtime, moveTo, server } = two({ maxConnections: 2 });
    await take(one);
    const held = await take(other);
    moveTo(undefined);
    other.release(held.value!);
    other.invalidate();
    await runtime.advance(10);
    await take(other);
    await take(other);
    expect(other.stats()).toMatchObject({ owners: 1, used: 2 });
    expect((await take(one)).value).toBeDefined();
    expect(server.live).toHaveLength(4);
  });
});

describe('Whatever happens to pools that share a limit', () => {
  const step = fc.record({
    pool: fc.nat(3),
    what: fc.constantFrom('take', 'take', 'take', 'give', 'give', 'lose', 'wait', 'invalidate', 'close'),
    ms: fc.constantFrom(0, 1, 30, 150, 1_200),
  });

  it('they stay below it while nobody is stuck, and each caller is served or refused', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 2, max: 4 }),
        fc.constantFrom(0, 5, 60),
        fc.array(step, { minLength: 1, maxLength: 40 }),
        async (maxConnections, connectMs, steps) => {
          const { pools, runtime, server } = siblings(4, { maxConnections, acquireTimeoutMs: 5_000 }, (fake) => {
            fake.connecting = () => ({ afterMs: connectMs });
            fake.closing = () => ({ afterMs: 2 });
          });
          const held: { pool: FakeEngine; connection: Connection }[] = [];
          const calls: ReturnType<typeof follow>[] = [];
          let seen = 0;
          for (const { pool: index, what, ms } of steps) {
            const pool = pools[index] as FakeEngine;
            const mine = held.findIndex((one) => one.pool === pool);
            if (what === 'take') {
              const acquiring = pool.acquire().then((connection) => {
                expect(held.some((one) => one.connection === connection)).toBe(false);
                // Busy, so that it does not count as waiting for another.
                connection.status = 'active';
                held.push({ pool, connection });
              });
              calls.push(follow(acquiring));
            }
            if (what === 'give' && mine >= 0) {
              const { connection } = held.splice(mine, 1)[0]!;
              connection.status = 'idle';
              pool.release(connection);
            }
            if (what === 'lose' && mine >= 0) held[mine]!.connection.lose();
            if (what === 'invalidate') pool.invalidate();
            if (what === 'close' && index === 3) void pool.drain();
            await runtime.advance(ms);
            seen = Math.max(seen, server.live.length);
          }
          for (let round = 0; round < 60; round++) {
            for (const { pool, connection } of held.splice(0)) {
              connection.status = 'idle';
              pool.release(connection);
            }
            await runtime.advance(100);
            seen = Math.max(seen, server.live.length);
          }
          expect(calls.every(({ settled }) => settled)).toBe(true);
          expect(seen).toBeLessThanOrEqual(maxConnections);
          const refused = calls.filter(({ error }) => error !== undefined);
          for (const { error } of refused) {
            expect(error).toMatchObject({
              code: expect.stringMatching(/^TENURE_(CLOSED|ACQUIRE_TIMEOUT|UNREACHABLE)$/),
            });
          }
        },
      ),
      { numRuns: 150 },
    );
  });
});
