import { describe, expect, it } from 'vitest';
import { TenurePolicyError, TenureUsageError } from '../../../packages/core/src/errors.js';
import { fakePool, follow, take, warm } from '../../support/fakePool.js';

const still = { idleTimeoutMs: 'none', keepaliveMs: 'none' } as const;

describe('maxAgeMs', () => {
  it('retires an idle connection when it comes of age, by its own timer', async () => {
    const fake = fakePool({ maxAgeMs: 5_000, ...still });
    await warm(fake, 2);
    await fake.runtime.advance(4_999);
    expect(fake.closings).toEqual([]);
    await fake.runtime.advance(1);
    expect(fake.closings).toEqual(['max-age', 'max-age']);
    expect(fake.server.live).toEqual([]);
  });

  it('retires a connection at its return when it came of age in use, and never before', async () => {
    const fake = fakePool({ maxAgeMs: 5_000, ...still });
    const connection = await take(fake);
    await fake.runtime.advance(60_000);
    expect(connection.ended).toBeUndefined();
    fake.pool.release(connection);
    expect(fake.pool.stats().closed['max-age']).toBe(1);
  });

  it('retires a connection at checkout when the timer did not run in time', async () => {
    const fake = fakePool({ maxAgeMs: 5_000, ...still });
    const [old] = await warm(fake, 1);
    fake.runtime.time += 6_000;
    const acquiring = follow(fake.pool.acquire());
    await fake.runtime.settle();
    expect(fake.closings).toEqual(['max-age']);
    expect(acquiring.value).not.toBe(old);
  });

  it('is shortened by a random share, and never lengthened', async () => {
    const fake = fakePool({ maxAgeMs: 10_000, maxAgeJitter: 0.5, ...still });
    const chances = [0, 0.5, 0.999];
    fake.runtime.chance = () => chances.shift() ?? 0;
    await warm(fake, 3);
    const closedAt: number[] = [];
    fake.pool.on('closing', () => closedAt.push(Math.round(fake.runtime.time)));
    await fake.runtime.advance(20_000);
    expect(closedAt).toEqual([5_005, 7_500, 10_000]);
  });

  it('0 closes a connection after each use', async () => {
    const fake = fakePool({ maxAgeMs: 0 });
    for (let i = 0; i < 3; i++) await fake.pool.use(() => {});
    await fake.runtime.settle();
    expect(fake.closings).toEqual(['max-age', 'max-age', 'max-age']);
    expect(fake.server.connects).toBe(3);
  });

  it('0 closes a connection also when all of its life was within one millisecond', async () => {
    const fake = fakePool({ maxAgeMs: 0 });
    const acquiring = follow(fake.pool.acquire());
    fake.runtime.time += 0.4;
    await fake.runtime.settle();
    fake.pool.release(acquiring.value!);
    expect(fake.closings).toEqual([]);
    await fake.runtime.settle();
    expect(fake.closings).toEqual(['max-age']);
  });

  it('0 lets a connection serve once even if the connect took long, and warms up nothing', async () => {
    const fake = fakePool({ maxAgeMs: 0, minConnections: 2 }, (server) => {
      server.connecting = () => ({ afterMs: 3_000 });
    });
    await fake.runtime.advance(1_000);
    expect(fake.server.connects).toBe(0);
    const acquiring = follow(fake.pool.acquire());
    await fake.runtime.advance(3_000);
    expect(acquiring.value).toBeDefined();
  });

  it('none never retires', async () => {
    const fake = fakePool({ maxAgeMs: 'none', ...still });
    await warm(fake, 1);
    await fake.runtime.advance(10 * 24 * 3_600_000);
    expect(fake.closings).toEqual([]);
  });
});

describe('maxUses', () => {
  it('retires a connection at the return that ends its last use', async () => {
    const fake = fakePool({ maxUses: 3 });
    for (let i = 0; i < 7; i++) await fake.pool.use(() => {});
    expect(fake.closings).toEqual(['max-uses', 'max-uses']);
    expect(fake.server.connects).toBe(3);
  });
});

describe('idleTimeoutMs', () => {
  it('closes what has been idle that long, down to minConnections, longest idle first', async () => {
    const fake = fakePool({ idleTimeoutMs: 60_000, minConnections: 1, keepaliveMs: 'none' });
    const [first, second, third] = await warm(fake, 3);
    await fake.runtime.advance(60_000);
    expect(fake.closings).toEqual(['idle', 'idle']);
    expect([first, second, third].map((connection) => connection!.ended)).toEqual(['closed', 'closed', undefined]);
  });

  it('counts from the last return', async () => {
    const fake = fakePool({ idleTimeoutMs: 60_000, keepaliveMs: 'none' });
    await warm(fake, 1);
    await fake.runtime.advance(40_000);
    fake.pool.release(await take(fake));
    await fake.runtime.advance(59_999);
    expect(fake.closings).toEqual([]);
    await fake.runtime.advance(1);
    expect(fake.closings).toEqual(['idle']);
  });

  it('sets no timer that would ring over and over when minConnections holds the connections back', async () => {
    const fake = fakePool({ idleTimeoutMs: 1_000, minConnections: 2, keepaliveMs: 'none', maxAgeMs: 'none' });
    await warm(fake, 2);
    await fake.runtime.advance(2_000);
    expect(fake.runtime.timers).toBe(0);
  });
});

describe('reuseConnections', () => {
  it('closes the idle connections above it after a short linger, the coldest first', async () => {
    const fake = fakePool({ maxConnections: 5, reuseConnections: 2 });
    const connections = await warm(fake, 5);
    await fake.runtime.advance(999);
    expect(fake.closings).toEqual([]);
    await fake.runtime.advance(1);
    expect(fake.closings).toEqual(['overflow', 'overflow', 'overflow']);
    expect(connections.map(({ ended }) => ended)).toEqual(['closed', 'closed', 'closed', undefined, undefined]);
  });

  it('does not close and reopen during a burst', async () => {
    const fake = fakePool({ maxConnections: 5, reuseConnections: 1 });
    await warm(fake, 5);
    for (let round = 0; round < 20; round++) {
      await fake.runtime.advance(500);
      for (let caller = 0; caller < 5; caller++) follow(fake.pool.use(() => fake.runtime.sleep(1)));
      await fake.runtime.advance(1);
    }
    expect(fake.closings).toEqual([]);
    expect(fake.server.connects).toBe(5);
  });

  it('0 keeps nothing longer than the linger', async () => {
    const fake = fakePool({ reuseConnections: 0 });
    await warm(fake, 1);
    await fake.runtime.advance(1_000);
    expect(fake.closings).toEqual(['overflow']);
  });
});

describe('resize', () => {
  it('closes idle connections above a smaller maximum now, and used ones when they come back', async () => {
    const fake = fakePool({ maxConnections: 4 });
    const held = [await take(fake), await take(fake)];
    await warm(fake, 1);
    fake.pool.resize({ maxConnections: 1 });
    await fake.runtime.settle();
    expect(fake.closings).toEqual(['overflow']);
    for (const connection of held) fake.pool.release(connection);
    await fake.runtime.settle();
    expect(fake.closings).toEqual(['overflow', 'overflow']);
    expect(fake.server.live).toHaveLength(1);
  });

  it('lets those who wait have the new room at once', async () => {
    const fake = fakePool({ maxConnections: 1 });
    await take(fake);
    const waiting = follow(fake.pool.acquire());
    await fake.runtime.settle();
    expect(waiting.settled).toBe(false);
    fake.pool.resize({ maxConnections: 2 });
    await fake.runtime.settle();
    expect(waiting.value).toBeDefined();
  });

  it('refuses limits that do not fit together', () => {
    const fake = fakePool({ maxConnections: 4 });
    expect(() => fake.pool.resize({ maxConnections: 2, minConnections: 3 })).toThrow(TenurePolicyError);
    expect(fake.pool.stats().max).toBe(4);
  });
});

describe('invalidate', () => {
  it('replaces idle connections now and used ones when they come back', async () => {
    const fake = fakePool();
    const held = await take(fake);
    const [idle] = await warm(fake, 1);
    fake.pool.invalidate();
    await fake.runtime.settle();
    expect(idle!.ended).toBe('closed');
    expect(held.ended).toBeUndefined();
    fake.pool.release(held);
    await fake.runtime.settle();
    expect(fake.closings).toEqual(['invalidated', 'invalidated']);
    expect(await take(fake)).not.toBe(held);
  });

  it('does not serve a caller with a connection whose connect began before it', async () => {
    const fake = fakePool({}, (server) => {
      server.connecting = () => ({ afterMs: 100 });
    });
    const waiting = follow(fake.pool.acquire());
    await fake.runtime.advance(50);
    fake.pool.invalidate();
    await fake.runtime.advance(50);
    expect(waiting.settled).toBe(false);
    await fake.runtime.advance(100);
    expect(waiting.value?.id).toBe(2);
  });
});

describe('discard', () => {
  it('closes the connection with a goodbye, and opens another for whoever waits', async () => {
    const fake = fakePool({ maxConnections: 1 });
    const connection = await take(fake);
    const waiting = follow(fake.pool.acquire());
    fake.pool.discard(connection);
    await fake.runtime.settle();
    expect(connection.ended).toBe('closed');
    expect(fake.closings).toEqual(['discarded']);
    expect(waiting.value).not.toBe(connection);
    expect(() => fake.pool.discard(connection)).toThrow(TenureUsageError);
  });
});

describe('the maximum', () => {
  it('counts a connection until the server has closed it', async () => {
    const fake = fakePool({ maxConnections: 1, maxUses: 1 }, (server) => {
      server.closing = () => ({ afterMs: 200 });
    });
    fake.pool.release(await take(fake));
    const waiting = follow(fake.pool.acquire());
    await fake.runtime.advance(199);
    expect(fake.server.connects).toBe(1);
    await fake.runtime.advance(1);
    expect(waiting.value).toBeDefined();
  });

  it('does not wait longer than healthTimeoutMs for a goodbye that the server does not answer', async () => {
    const fake = fakePool({ maxConnections: 1, maxUses: 1, healthTimeoutMs: 1_000 }, (server) => {
      server.closing = () => 'never';
    });
    const first = await take(fake);
    fake.pool.release(first);
    const waiting = follow(fake.pool.acquire());
    await fake.runtime.advance(1_000);
    expect(first.ended).toBe('aborted');
    expect(waiting.value).toBeDefined();
  });
});
