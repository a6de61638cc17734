import { describe, expect, it } from 'vitest';
import { TenureClosedError } from '../../../packages/core/src/errors.js';
import { fakePool, follow, take, warm } from '../../support/fakePool.js';

describe('drain', () => {
  it('closes idle connections, lets work finish, and refuses new callers', async () => {
    const fake = fakePool({ maxConnections: 2 });
    const held = await take(fake);
    await warm(fake, 1);
    const drained = follow(fake.pool.drain());
    await expect(fake.pool.acquire()).rejects.toBeInstanceOf(TenureClosedError);
    await fake.runtime.settle();
    expect(fake.server.live).toEqual([held]);
    expect(drained.settled).toBe(false);
    fake.pool.release(held);
    await fake.runtime.settle();
    expect(drained.settled).toBe(true);
    expect(fake.server.live).toEqual([]);
    expect(fake.closings).toEqual(['closing', 'closing']);
  });

  it('serves those in line, refuses later ones, and then closes', async () => {
    const fake = fakePool({ maxConnections: 1 });
    const held = await take(fake);
    const [first, second] = [follow(fake.pool.acquire()), follow(fake.pool.acquire())];
    const drained = follow(fake.pool.drain());
    const later = follow(fake.pool.acquire());
    await fake.runtime.settle();
    expect(later.error).toBeInstanceOf(TenureClosedError);
    fake.pool.release(held);
    await fake.runtime.settle();
    expect(first.value).toBe(held);
    fake.pool.release(first.value!);
    await fake.runtime.settle();
    expect(second.value).toBe(held);
    expect(drained.settled).toBe(false);
    fake.pool.release(second.value!);
    await fake.runtime.settle();
    expect(drained.settled).toBe(true);
    expect(fake.server.live).toEqual([]);
  });

  it('opens what those in line need', async () => {
    const fake = fakePool({ maxConnections: 2 });
    const waiting = [follow(fake.pool.acquire()), follow(fake.pool.acquire())];
    const drained = follow(fake.pool.drain());
    await fake.runtime.settle();
    for (const { value } of waiting) fake.pool.release(value!);
    await fake.runtime.settle();
    expect(drained.settled).toBe(true);
    expect(fake.server.opened).toHaveLength(2);
  });

  it('refuses those who are still in line when its time is up', async () => {
    const fake = fakePool({ maxConnections: 1 });
    await take(fake);
    const waiting = follow(fake.pool.acquire());
    const drained = follow(fake.pool.drain(5_000));
    await fake.runtime.advance(4_999);
    expect(waiting.settled).toBe(false);
    await fake.runtime.advance(1);
    expect(waiting.error).toBeInstanceOf(TenureClosedError);
    expect(drained.settled).toBe(true);
  });

  it('ends when the last one in line has given up', async () => {
    const fake = fakePool({ acquireTimeoutMs: 1_000 }, (server) => {
      server.connecting = () => 'never';
    });
    const waiting = follow(fake.pool.acquire());
    const drained = follow(fake.pool.drain());
    await fake.runtime.advance(999);
    expect(drained.settled).toBe(false);
    await fake.runtime.advance(1);
    expect(waiting.error).toBeDefined();
    expect(drained.settled).toBe(true);
  });

  it('drops the connections of work that takes longer than its limit, whose release then means nothing', async () => {
    const fake = fakePool();
    const held = await take(fake);
    const drained = follow(fake.pool.drain(5_000));
    await fake.runtime.advance(4_999);
    expect(held.ended).toBeUndefined();
    await fake.runtime.advance(1);
    expect(held.ended).toBe('aborted');
    expect(drained.settled).toBe(true);
    expect(() => fake.pool.release(held)).not.toThrow();
  });

  it('gives up connects that are under way', async () => {
    const fake = fakePool({}, (server) => {
      server.connecting = () => 'never';
    });
    fake.pool.acquire({ timeoutMs: 1 }).catch(() => {});
    await fake.runtime.advance(1);
    const drained = follow(fake.pool.drain());
    await fake.runtime.settle();
    expect(drained.settled).toBe(true);
  });

  it('waits for no check', async () => {
    const fake = fakePool({ maxConnections: 1 });
    await warm(fake, 1);
    fake.server.pinging = () => 'never';
    await fake.runtime.advance(60_000);
    fake.pool.acquire({ timeoutMs: 1 }).catch(() => {});
    await fake.runtime.advance(1);
    const drained = follow(fake.pool.drain());
    await fake.runtime.settle();
    expect(drained.settled).toBe(true);
    expect(fake.server.live).toEqual([]);
  });

  it('may be called twice, and resolves for both', async () => {
    const fake = fakePool();
    await warm(fake, 1);
    await Promise.all([fake.pool.drain(), fake.pool.drain()]);
    await fake.pool.drain();
    expect(fake.closings).toEqual(['closing']);
  });

  it('resolves at once for a pool that has opened nothing', async () => {
    await expect(fakePool().pool.drain()).resolves.toBeUndefined();
  });

  it('leaves no timer behind', async () => {
    const fake = fakePool();
    await warm(fake, 3);
    await fake.pool.drain();
    expect(fake.runtime.timers).toBe(0);
  });

  it('is what `await using` calls', async () => {
    const fake = fakePool();
    await warm(fake, 1);
    await fake.pool[Symbol.asyncDispose]();
    expect(fake.server.live).toEqual([]);
  });
});
