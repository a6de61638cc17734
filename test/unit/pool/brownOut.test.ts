import { describe, expect, it } from 'vitest';
import type { Outcome } from '../../support/fakeConnector.js';
import { fakePool, follow, take, warm } from '../../support/fakePool.js';

const still = { idleTimeoutMs: 'none', keepaliveMs: 'none', maxAgeMs: 'none' } as const;

/** Every answer of the server takes this long from now on, those to connects and to looks from outside included. */
function slowDown({ server }: ReturnType<typeof fakePool>, ms: number): void {
  const slow = (): Outcome => ({ afterMs: ms });
  server.connecting = server.pinging = server.resetting = server.probing = slow;
}

describe.each([{ factor: 1.5 }, { factor: 5 }, { factor: 9 }])(
  'a server whose every answer takes $factor times healthTimeoutMs',
  ({ factor }) => {
    const healthTimeoutMs = 1_000;
    const slowMs = factor * healthTimeoutMs;

    it('keeps its connections, when all are checked at once and the pool is full', async () => {
      const fake = fakePool({ maxConnections: 10, healthTimeoutMs, ...still });
      const connections = await warm(fake, 10);
      await fake.runtime.advance(60_000);
      slowDown(fake, slowMs);
      const callers = Array.from({ length: 20 }, () => follow(fake.pool.use(() => fake.runtime.sleep(slowMs))));
      await fake.runtime.advance(slowMs);
      expect(fake.pool.stats()).toMatchObject({ used: 10, waiting: 10 });
      await fake.runtime.advance(2 * slowMs);
      expect(callers.every(({ settled, error }) => settled && error === undefined)).toBe(true);
      expect(connections.every(({ ended }) => ended === undefined)).toBe(true);
      expect(fake.pool.stats()).toMatchObject({ opened: 10, checks: { failed: 0 }, epochs: 0 });
    });

    it('keeps them also when it slows down in the middle of a check', async () => {
      const fake = fakePool({ maxConnections: 4, healthTimeoutMs, ...still });
      await warm(fake, 4);
      await fake.runtime.advance(60_000);
      let asked = 0;
      fake.server.pinging = () => ({ afterMs: asked++ < 2 ? 5 : slowMs });
      fake.server.probing = () => ({ afterMs: slowMs });
      const callers = Array.from({ length: 4 }, () => follow(fake.pool.acquire()));
      await fake.runtime.advance(slowMs + 100);
      expect(callers.every(({ value }) => value)).toBe(true);
      expect(fake.closings).toEqual([]);
    });

    it('keeps them when they are checked in the background', async () => {
      const fake = fakePool({ healthTimeoutMs, ...still, keepaliveMs: 60_000 });
      await warm(fake, 5);
      slowDown(fake, slowMs);
      await fake.runtime.advance(60_000 + 3 * slowMs);
      expect(fake.closings).toEqual([]);
      expect(fake.pool.stats()).toMatchObject({ idle: 5, checks: { done: 5, failed: 0 } });
    });

    it('keeps a connection that comes back from an error, or inside a transaction', async () => {
      const fake = fakePool({ healthTimeoutMs, ...still });
      const held = [await take(fake), await take(fake)];
      slowDown(fake, slowMs);
      held[0]!.status = 'transaction';
      fake.pool.release(held[0]!);
      fake.pool.release(held[1]!, new Error('duplicate key'));
      await fake.runtime.advance(slowMs);
      expect(fake.closings).toEqual([]);
      expect(fake.pool.stats()).toMatchObject({ idle: 2, rolledBack: 1 });
    });

    it('loses the one connection that is dead, once others have been answered, and that one alone', async () => {
      const fake = fakePool({ maxConnections: 5, healthTimeoutMs, ...still });
      const [dead] = await warm(fake, 5);
      await fake.runtime.advance(60_000);
      slowDown(fake, slowMs);
      fake.server.pinging = (connection) => (connection === dead ? 'never' : { afterMs: slowMs });
      const callers = Array.from({ length: 5 }, () => follow(fake.pool.use(() => fake.runtime.sleep(slowMs))));
      await fake.runtime.advance(Math.max(4 * slowMs, 10_100));
      expect(callers.every(({ settled, error }) => settled && error === undefined)).toBe(true);
      expect(fake.closings).toEqual(['failed-check']);
      expect(dead?.ended).toBe('aborted');
    });
  },
);

describe('a slow server', () => {
  it('is asked once before a connection is reused, and not again for as long as the answer took', async () => {
    const fake = fakePool({ maxConnections: 1, ...still });
    await warm(fake, 1);
    await fake.runtime.advance(60_000);
    slowDown(fake, 3_000);
    const use = async () => {
      const used = follow(fake.pool.use(() => fake.runtime.sleep(3_000)));
      const began = fake.runtime.time;
      while (!used.settled) await fake.runtime.advance(100);
      return fake.runtime.time - began;
    };
    expect(await use()).toBe(6_000);
    for (let i = 0; i < 5; i++) {
      await fake.runtime.advance(2_000);
      expect(await use()).toBe(3_000);
    }
    slowDown(fake, 5);
    await fake.runtime.advance(3_001);
    await use();
    await fake.runtime.advance(600);
    const { pings } = fake.server;
    await use();
    expect(fake.server.pings).toBe(pings + 1);
  });

  it('is not told by a pooler that answers connects and looks from outside in its place', async () => {
    const fake = fakePool({ maxConnections: 5, healthTimeoutMs: 1_000, ...still }, (server) => {
      Object.assign(server, { pooler: () => 'transaction' });
    });
    await warm(fake, 3);
    await fake.runtime.advance(60_000);
    fake.server.pinging = () => ({ afterMs: 5_000 });
    const callers = Array.from({ length: 5 }, () => follow(fake.pool.acquire()));
    await fake.runtime.advance(5_000);
    expect(callers.every(({ value }) => value)).toBe(true);
    expect(fake.closings).toEqual([]);
  });
});

describe('a connection that is silent', () => {
  const healthTimeoutMs = 1_000;

  /** A full pool whose first connection does not answer a check, while the second is held. */
  async function withOneSilent(prepare: (fake: ReturnType<typeof fakePool>) => void = () => {}) {
    const fake = fakePool({ maxConnections: 2, healthTimeoutMs, ...still });
    const [silent, other] = await warm(fake, 2);
    fake.server.probing = () => 'never';
    prepare(fake);
    await fake.runtime.advance(60_000);
    const held = await take(fake);
    expect(held).toBe(other);
    fake.server.pinging = (connection) => (connection === silent ? 'never' : {});
    const waiting = follow(fake.pool.acquire());
    await fake.runtime.settle();
    return { fake, silent: silent!, held, waiting };
  }

  it('is given up after healthTimeoutMs when a borrower was answered who came after it had been silent for half of that', async () => {
    const { fake, silent, held, waiting } = await withOneSilent();
    fake.pool.release(held);
    await fake.runtime.advance(healthTimeoutMs / 2);
    fake.pool.release(waiting.value!);
    fake.pool.release(await take(fake));
    await fake.runtime.advance(healthTimeoutMs / 2 - 1);
    expect(silent.ended).toBeUndefined();
    await fake.runtime.advance(1);
    expect(silent.ended).toBe('aborted');
  });

  it('is not given up for an answer to a borrower who came before', async () => {
    const { fake, silent, held, waiting } = await withOneSilent();
    await fake.runtime.advance(healthTimeoutMs / 2 - 1);
    fake.pool.release(held);
    await fake.runtime.advance(4_000);
    fake.pool.release(waiting.value!);
    await fake.runtime.advance(5_000);
    expect(silent.ended).toBeUndefined();
  });

  it('is given up after healthTimeoutMs when the server answers a look from outside', async () => {
    const { fake, silent } = await withOneSilent(({ server }) => {
      server.probing = () => ({ afterMs: 20 });
    });
    await fake.runtime.advance(healthTimeoutMs - 1);
    expect(silent.ended).toBeUndefined();
    await fake.runtime.advance(1);
    expect(silent.ended).toBe('aborted');
    expect(fake.server.probes).toBe(1);
  });

  it('is given up when the server refuses a connect, which only one that is there can do', async () => {
    const fake = fakePool({ maxConnections: 2, healthTimeoutMs, ...still });
    const [silent] = await warm(fake, 1);
    await fake.runtime.advance(60_000);
    fake.server.pinging = () => 'never';
    fake.server.probing = () => 'never';
    fake.server.connecting = () => ({ error: new Error('sorry, too many clients already') });
    fake.server.failure = 'full';
    follow(fake.pool.acquire());
    await fake.runtime.advance(healthTimeoutMs);
    expect(silent?.ended).toBe('aborted');
  });

  it('is given up in the end, when the server answers nobody', async () => {
    const { fake, silent } = await withOneSilent();
    await fake.runtime.advance(9_999);
    expect(silent.ended).toBeUndefined();
    await fake.runtime.advance(1);
    expect(silent.ended).toBe('aborted');
    // Looked at ever more seldom meanwhile.
    expect(fake.server.probes).toBe(5);
  });

  it('does not keep the others waiting: one is closed to make room for a connect, where the driver cannot look from outside', async () => {
    const fake = fakePool({ maxConnections: 3, healthTimeoutMs, ...still }, (server) => {
      Object.assign(server, { probe: undefined });
    });
    const dead = await warm(fake, 3);
    await fake.runtime.advance(60_000);
    fake.server.pinging = (connection) => (dead.includes(connection) ? 'never' : {});
    fake.server.connecting = () => ({ afterMs: 30 });
    const callers = Array.from({ length: 3 }, () => follow(fake.pool.acquire()));
    await fake.runtime.advance(healthTimeoutMs);
    expect(dead.map(({ ended }) => ended).filter(Boolean)).toEqual(['aborted']);
    await fake.runtime.advance(60);
    expect(callers.every(({ value }) => value)).toBe(true);
    expect(fake.closings).toEqual(['failed-check', 'failed-check', 'failed-check']);
  });

  it('leaves no timer and no look from outside behind when it answers late', async () => {
    const fake = fakePool({ healthTimeoutMs, ...still });
    await warm(fake, 1);
    let looks = 0;
    fake.server.probe = (_, signal) =>
      new Promise((_resolve, reject) => {
        looks++;
        signal.addEventListener('abort', () => {
          looks--;
          reject(signal.reason);
        });
      });
    fake.server.pinging = () => ({ afterMs: 2_500 });
    await fake.runtime.advance(60_000);
    const acquiring = follow(fake.pool.acquire());
    await fake.runtime.advance(2_400);
    expect(looks).toBe(3);
    fake.pool.release(acquiring.value!);
    await fake.runtime.advance(100);
    expect(looks).toBe(0);
    expect(fake.pool.stats()).toMatchObject({ idle: 2 });
    expect(fake.runtime.timers).toBe(0);
  });
});
