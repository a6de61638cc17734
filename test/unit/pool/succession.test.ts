import { describe, expect, it } from 'vitest';
import { fakePool, follow, take, warm } from '../../support/fakePool.js';

const still = { idleTimeoutMs: 'none', keepaliveMs: 'none' } as const;
type Fake = ReturnType<typeof fakePool>;

/** Keeps a pool in use for a while: `callers` at a time hold a connection for 10 ms, over and over. */
async function keepBusy(fake: Fake, callers: number, forMs: number): Promise<void> {
  const until = fake.runtime.time + forMs;
  const caller = async () => {
    while (fake.runtime.time < until) await fake.pool.use(() => fake.runtime.sleep(10));
  };
  const all = Array.from({ length: callers }, caller);
  await fake.runtime.advance(forMs + 100);
  await Promise.all(all);
}

/** When connects begin. */
function connectsOf(fake: Fake): number[] {
  const begun: number[] = [];
  fake.pool.on('opening', () => begun.push(fake.runtime.time));
  return begun;
}

function mostInAny100Ms(moments: readonly number[]): number {
  return Math.max(0, ...moments.map((from) => moments.filter((at) => at >= from && at - from <= 100).length));
}

describe('a connection in steady use that comes of age', () => {
  it('serves until its successor is there, while the pool has room', async () => {
    const fake = fakePool({ maxAgeMs: 5_000, maxConnections: 2, ...still }, (server) => {
      server.connecting = () => ({ afterMs: 30 });
    });
    const old = take(fake);
    await fake.runtime.advance(30);
    fake.pool.release(await old);
    const waits: number[] = [];
    const user = async () => {
      while (fake.runtime.time < 6_000) {
        const asked = fake.runtime.time;
        await fake.pool.use(() => waits.push(fake.runtime.time - asked));
        await fake.runtime.sleep(10);
      }
    };
    const done = user();
    await fake.runtime.advance(6_100);
    await done;
    expect(fake.closings).toEqual(['max-age']);
    expect(fake.server.connects).toBe(2);
    expect((await old).ended).toBe('closed');
    expect(Math.max(...waits)).toBe(0);
  });

  it('goes before its successor comes, in a pool at its maximum, and never are there more', async () => {
    const fake = fakePool({ maxAgeMs: 5_000, maxConnections: 2, ...still }, (server) => {
      server.connecting = () => ({ afterMs: 5 });
      server.closing = () => ({ afterMs: 5 });
    });
    let most = 0;
    fake.pool.on('opening', () => {
      most = Math.max(most, fake.server.live.length + fake.pool.stats().opening);
    });
    await keepBusy(fake, 4, 6_000);
    expect(fake.pool.stats()).toMatchObject({ opened: 4, closed: { 'max-age': 2 } });
    expect(most).toBe(2);
  });

  it('waits for its turn: of 20 born together at most two are replaced in any 100 ms, none is forgotten', async () => {
    for (const maxConnections of [20, 21]) {
      const fake = fakePool({ maxAgeMs: 2_000, maxConnections, ...still }, (server) => {
        server.connecting = () => ({ afterMs: 7 });
        server.closing = () => ({ afterMs: 3 });
      });
      await keepBusy(fake, 20, 500);
      const connects = connectsOf(fake);
      await keepBusy(fake, 20, 6_000);
      expect(mostInAny100Ms(connects)).toBeLessThanOrEqual(2);
      expect(connects.length).toBeGreaterThanOrEqual(45);
      const oldest = Math.max(...fake.pool.connections().map(({ ageMs }) => ageMs));
      expect(oldest).toBeLessThan(2_000 + 20 * 70);
      expect(fake.pool.stats().opened - fake.server.live.length).toBe(fake.pool.stats().closed['max-age']);
    }
  });

  it('stays while the server takes no connections, and is replaced when it does again', async () => {
    const fake = fakePool({ maxAgeMs: 2_000, maxConnections: 2, ...still });
    await warm(fake, 1);
    fake.server.connecting = () => ({ error: new Error('refused') });
    await keepBusy(fake, 1, 6_000);
    expect(fake.closings).toEqual([]);
    fake.server.connecting = () => ({});
    await keepBusy(fake, 1, 6_000);
    expect(fake.closings).toContain('max-age');
    expect(fake.pool.stats().timeouts).toBe(0);
  });

  it('of the minimum is replaced in its turn too when nobody uses it', async () => {
    const fake = fakePool({ maxAgeMs: 5_000, minConnections: 6, ...still });
    await fake.runtime.advance(4_000);
    await warm(fake, 6);
    const connects = connectsOf(fake);
    await fake.runtime.advance(4_000);
    expect(fake.pool.stats()).toMatchObject({ idle: 6, closed: { 'max-age': 6 } });
    expect(mostInAny100Ms(connects)).toBeLessThanOrEqual(2);
  });

  it('goes without a successor when nobody has needed it for a second', async () => {
    const fake = fakePool({ maxAgeMs: 5_000, ...still });
    await warm(fake, 3);
    await fake.runtime.advance(5_000);
    expect(fake.closings).toEqual(['max-age', 'max-age', 'max-age']);
    expect(fake.server.connects).toBe(3);
  });

  it('goes without a successor when it comes back from its first borrower', async () => {
    const fake = fakePool({ maxAgeMs: 5_000, ...still });
    const connection = await take(fake);
    await fake.runtime.advance(6_000);
    fake.pool.release(connection);
    await fake.runtime.advance(1_000);
    expect(fake.closings).toEqual(['max-age']);
    expect(fake.server.connects).toBe(1);
  });

  it('has no successor with maxAgeMs 0', async () => {
    const fake = fakePool({ maxAgeMs: 0 });
    await keepBusy(fake, 1, 100);
    await fake.runtime.advance(10_000);
    expect(fake.server.live).toEqual([]);
    expect(fake.server.connects).toBe(fake.pool.stats().acquired);
  });

  it('leaves no timer behind that would ring over and over while its successor cannot come', async () => {
    const fake = fakePool({ maxAgeMs: 2_000, minConnections: 1, maxConnections: 2, ...still });
    fake.pool.release(await take(fake));
    fake.server.connecting = () => 'never';
    const connecting = follow(fake.runtime.advance(60_000));
    await fake.runtime.settle();
    await connecting;
    expect(fake.server.connects).toBeLessThan(20);
  });
});
