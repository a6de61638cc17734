import { describe, expect, it } from 'vitest';
import { fakePool, follow, take, warm } from '../../support/fakePool.js';

const still = { idleTimeoutMs: 'none', keepaliveMs: 'none', maxAgeMs: 'none' } as const;

describe('a disconnect', () => {
  it('has every idle connection checked at once, side by side', async () => {
    const fake = fakePool(still, (server) => {
      server.pinging = () => ({ afterMs: 50 });
    });
    const [lost, ...others] = await warm(fake, 4);
    lost!.lose(new Error('connection reset'));
    await fake.runtime.settle();
    expect(fake.server.pings).toBe(3);
    await fake.runtime.advance(50);
    expect(fake.pool.stats()).toMatchObject({ idle: 3, epochs: 1, checks: { done: 3, failed: 0 } });
    expect(others.every(({ isOpen }) => isOpen)).toBe(true);
  });

  it('is news once in healthTimeoutMs, however many connections tell of it', async () => {
    const fake = fakePool({ healthTimeoutMs: 1_000, ...still });
    const connections = await warm(fake, 4);
    for (const connection of connections.slice(0, 3)) connection.lose();
    await fake.runtime.settle();
    expect(fake.pool.stats().epochs).toBe(1);
    expect(fake.server.pings).toBe(1);
    await fake.runtime.advance(1_000);
    connections[3]!.lose();
    expect(fake.pool.stats().epochs).toBe(2);
  });

  it('has what is held checked after its return, although it came back a moment ago', async () => {
    const fake = fakePool(still);
    const held = await take(fake);
    const [lost] = await warm(fake, 1);
    lost!.lose();
    fake.pool.release(held);
    expect(fake.server.pings).toBe(0);
    expect(await take(fake)).toBe(held);
    expect(fake.server.pings).toBe(1);
    fake.pool.release(held);
    expect(await take(fake)).toBe(held);
    expect(fake.server.pings).toBe(1);
  });

  it('costs all who wait one healthTimeoutMs when no check is answered', async () => {
    const fake = fakePool({ maxConnections: 4, healthTimeoutMs: 1_000, ...still }, (server) => {
      server.pinging = () => 'never';
    });
    await warm(fake, 4);
    await fake.runtime.advance(60_000);
    const waiting = Array.from({ length: 8 }, () => follow(fake.pool.use(() => {})));
    await fake.runtime.advance(1_000);
    expect(waiting.every(({ settled, error }) => settled && !error)).toBe(true);
    expect(fake.pool.stats()).toMatchObject({ closed: { 'failed-check': 4 }, epochs: 1 });
  });

  it('while a connection is held tells of the others as well', async () => {
    const fake = fakePool(still);
    const held = await take(fake);
    await warm(fake, 1);
    held.lose(new Error('terminating connection due to administrator command'));
    await fake.runtime.settle();
    expect(fake.pool.stats()).toMatchObject({ epochs: 1, checks: { done: 1 } });
    fake.pool.release(held);
    expect(fake.pool.stats()).toMatchObject({ epochs: 1, closed: { broken: 1 } });
  });

  it('that concerns one session alone is no news', async () => {
    const fake = fakePool(still, (server) => {
      Object.assign(server, { classifyLoss: () => 'session' });
    });
    const [lost] = await warm(fake, 3);
    lost!.lose(new Error('terminating connection due to idle-session timeout'));
    await fake.runtime.settle();
    expect(fake.pool.stats()).toMatchObject({ epochs: 0, checks: { done: 0 } });
  });

  it('is ignored with healthChecks off', async () => {
    const fake = fakePool({ healthChecks: false, ...still });
    const [lost] = await warm(fake, 3);
    lost!.lose();
    await fake.runtime.settle();
    expect(fake.pool.stats()).toMatchObject({ epochs: 0, checks: { done: 0 } });
  });

  it('is not what a check by the app tells when it says no', async () => {
    const fake = fakePool(still, (server) => {
      Object.assign(server, { validate: () => false });
    });
    const [first] = await warm(fake, 2);
    const acquiring = follow(fake.pool.acquire());
    await fake.runtime.advance(100);
    expect(acquiring.value).toBeDefined();
    expect(first!.ended).toBeDefined();
    expect(fake.pool.stats().epochs).toBe(0);
  });
});

describe('a standstill', () => {
  it('by a wall clock that ran ahead has every connection checked before its next use', async () => {
    const fake = fakePool(still);
    const [connection] = await warm(fake, 1);
    fake.runtime.wallAhead += 3_600_000;
    expect(await take(fake)).toBe(connection);
    expect(fake.server.pings).toBe(1);
    expect(fake.pool.stats().epochs).toBe(1);
  });

  it('counts as age, although the clock of the process did not move', async () => {
    const fake = fakePool({ ...still, maxAgeMs: 1_800_000 });
    const [connection] = await warm(fake, 1);
    fake.runtime.wallAhead += 3_600_000;
    expect(await take(fake)).not.toBe(connection);
    expect(fake.closings).toEqual(['max-age']);
  });

  it('is noticed also where there always is a line', async () => {
    const fake = fakePool({ ...still, maxAgeMs: 1_800_000, maxConnections: 1 });
    const held = await take(fake);
    const next = follow(fake.pool.acquire());
    fake.runtime.wallAhead += 3_600_000;
    fake.pool.release(held);
    await fake.runtime.settle();
    expect(next.value).not.toBe(held);
    expect(fake.closings).toEqual(['max-age']);
    expect(fake.pool.stats().epochs).toBe(1);
  });

  it('is no news of a wall clock that is set back, nor of one that is slightly off', async () => {
    const fake = fakePool({ ...still, maxAgeMs: 1_800_000 });
    const [connection] = await warm(fake, 1);
    for (const aheadMs of [-3_600_000, -3_599_800, -7_200_000]) {
      fake.runtime.wallAhead = aheadMs;
      const taken = await take(fake);
      expect(taken).toBe(connection);
      fake.pool.release(taken);
    }
    expect(fake.pool.stats()).toMatchObject({ epochs: 0, checks: { done: 0 } });
  });

  it('lets nobody time out who has not waited', async () => {
    const fake = fakePool({ ...still, maxConnections: 1, acquireTimeoutMs: 30_000 });
    const held = await take(fake);
    const waiting = follow(fake.pool.acquire());
    await fake.runtime.advance(1_000);
    fake.runtime.wallAhead += 3_600_000;
    await fake.runtime.advance(1_000);
    expect(waiting.settled).toBe(false);
    fake.pool.release(held);
    await fake.runtime.settle();
    expect(waiting.value).toBe(held);
  });

  it('is told by rounds that come late', async () => {
    const fake = fakePool({ ...still, keepaliveMs: 10_000 });
    await warm(fake, 2);
    await fake.runtime.advance(9_000);
    await fake.runtime.block(3_500);
    expect(fake.pool.stats()).toMatchObject({ idle: 2, epochs: 1, checks: { failed: 0 } });
  });

  it('of the event loop throws no connection away', async () => {
    const fake = fakePool(still, (server) => {
      server.pinging = () => ({ afterMs: 20 });
    });
    const connections = await warm(fake, 3);
    await fake.runtime.advance(60_000);
    const waiting = [follow(take(fake)), follow(take(fake))];
    await fake.runtime.block(3_000);
    await fake.runtime.advance(20);
    expect(waiting.map(({ settled }) => settled)).toEqual([true, true]);
    expect(connections.every(({ isOpen }) => isOpen)).toBe(true);
  });
});
