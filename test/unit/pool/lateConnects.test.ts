import { describe, expect, it } from 'vitest';
import type { Outcome } from '../../support/fakeConnector.js';
import { fakePool, follow, take, warm } from '../../support/fakePool.js';

/** The connects with these numbers, from 1 on, are never answered; the others take this long. */
function swallow(fake: ReturnType<typeof fakePool>, numbers: readonly number[], othersMs = 5): void {
  const before = fake.server.connects;
  fake.server.connecting = (): Outcome =>
    numbers.includes(fake.server.connects - before) ? 'never' : { afterMs: othersMs };
}

const callersOf = (fake: ReturnType<typeof fakePool>, count: number, holdMs = 20) =>
  Array.from({ length: count }, () => follow(fake.pool.use(() => fake.runtime.sleep(holdMs))));

describe('a connect that nobody answers', () => {
  it('stops nobody for longer than a second, in a new pool', async () => {
    const fake = fakePool({}, (server) => {
      server.connecting = () => (server.connects === 1 ? 'never' : { afterMs: 5 });
    });
    const callers = callersOf(fake, 6);
    await fake.runtime.advance(1_100);
    expect(callers.every(({ settled, error }) => settled && error === undefined)).toBe(true);
  });

  it('stops nobody for longer than half a second, in a pool that knows what connects take', async () => {
    const fake = fakePool();
    fake.server.connecting = () => ({ afterMs: 5 });
    const acquiring = follow(fake.pool.acquire());
    await fake.runtime.advance(5);
    expect(acquiring.value).toBeDefined();
    swallow(fake, [1, 2, 3]);
    const callers = callersOf(fake, 6);
    await fake.runtime.advance(500);
    expect(callers.every(({ settled, error }) => settled && error === undefined)).toBe(true);
  });

  it('gives its place up once one that began later has been answered', async () => {
    const fake = fakePool({ maxConnections: 2 });
    swallow(fake, [1]);
    const failures: unknown[] = [];
    fake.pool.on('openFailed', (error) => failures.push(error));
    const callers = callersOf(fake, 6, 200);
    await fake.runtime.advance(1_010);
    expect(fake.pool.stats()).toMatchObject({ used: 2, opening: 0 });
    expect(failures.map(String)).toEqual([expect.stringContaining('has answered a later one')]);
    await fake.runtime.advance(600);
    expect(callers.every(({ settled, error }) => settled && error === undefined)).toBe(true);
    expect(fake.server.connects).toBe(3);
  });

  it('keeps its place when nothing says that the server would answer another one', async () => {
    const fake = fakePool({ maxConnections: 3, connectTimeoutMs: 10_000 }, (server) => {
      server.connecting = () => 'never';
    });
    callersOf(fake, 6);
    await fake.runtime.advance(9_999);
    expect(fake.server.connects).toBe(3);
    expect(fake.pool.stats()).toMatchObject({ opening: 3, openFailures: 0 });
  });

  it('is still welcome when it is answered late', async () => {
    const fake = fakePool({ maxConnections: 1 });
    fake.server.connecting = () => ({ afterMs: 4_000 });
    const waiting = follow(fake.pool.acquire());
    await fake.runtime.advance(4_000);
    expect(waiting.value).toBeDefined();
    expect(fake.server.connects).toBe(1);
  });

  it('is followed by one a second at most, never above the maximum, when the server is slow to all', async () => {
    const fake = fakePool({ maxConnections: 4 });
    fake.server.connecting = () => ({ afterMs: 8_000 });
    let most = 0;
    fake.pool.on('opening', () => {
      most = Math.max(most, fake.pool.stats().opening);
    });
    const callers = callersOf(fake, 50);
    const connects: number[] = [];
    for (let second = 0; second < 8; second++) {
      await fake.runtime.advance(1_000);
      connects.push(fake.server.connects);
    }
    expect(connects.slice(0, 4)).toEqual([2, 3, 4, 4]);
    await fake.runtime.advance(10_000);
    expect(most).toBe(4);
    expect(callers.every(({ settled, error }) => settled && error === undefined)).toBe(true);
  });

  it('does not make the pool forget that connects fail', async () => {
    const fake = fakePool({ acquireTimeoutMs: 20_000 }, (server) => {
      server.connecting = () => (server.connects % 2 === 0 ? 'never' : { error: new Error('connect ECONNREFUSED') });
    });
    callersOf(fake, 50);
    for (let second = 0; second < 9; second++) {
      const before = fake.server.connects;
      await fake.runtime.advance(1_000);
      expect(fake.server.connects - before).toBeLessThanOrEqual(3);
    }
  });

  it('is ended by a drain', async () => {
    const fake = fakePool({}, (server) => {
      server.connecting = () => 'never';
    });
    follow(fake.pool.acquire({ timeoutMs: 2_000 }));
    await fake.runtime.advance(2_500);
    const drained = follow(fake.pool.drain());
    await fake.runtime.settle();
    expect(drained.settled).toBe(true);
    expect(fake.runtime.timers).toBe(0);
  });

  it('has not been late when its answer waits unread because the event loop was blocked', async () => {
    const fake = fakePool();
    let arrive = () => {};
    const connect = fake.server.connect.bind(fake.server);
    fake.server.connect = async (...args) => {
      await new Promise<void>((resolve) => (arrive = resolve));
      return connect(...args);
    };
    const waiting = follow(fake.pool.acquire());
    await fake.runtime.settle();
    fake.runtime.nextTurn(() => arrive());
    await fake.runtime.block(3_000);
    expect(waiting.value).toBeDefined();
    expect(fake.server.connects).toBe(1);
  });
});

describe('a cold pool of 50 that 500 callers come to at once', () => {
  it('loses none of them at five seconds, with its server 80 ms away', async () => {
    const fake = fakePool({ maxConnections: 50, acquireTimeoutMs: 5_000 });
    fake.server.connecting = () => ({ afterMs: 400 });
    const callers = callersOf(fake, 500, 240);
    await fake.runtime.advance(5_000);
    expect(callers.filter(({ error }) => error)).toEqual([]);
    expect(fake.server.connects).toBe(50);
  });

  it('goes back to one connect at a time when the server refuses more', async () => {
    const fake = fakePool({ maxConnections: 50, acquireTimeoutMs: 60_000 });
    fake.server.connecting = () =>
      fake.server.live.length < 8 ? { afterMs: 400 } : { afterMs: 400, error: new Error('too many clients') };
    fake.server.failure = 'full';
    callersOf(fake, 500, 240);
    await fake.runtime.advance(2_000);
    const grown = fake.server.connects;
    expect(grown).toBeLessThan(40);
    await fake.runtime.advance(3_000);
    expect(fake.server.connects - grown).toBeLessThanOrEqual(5);
    expect(fake.pool.stats().opening).toBeLessThanOrEqual(1);
  });

  it('halves the number of connects at once when the server slows down under them', async () => {
    const fake = fakePool({ maxConnections: 50, acquireTimeoutMs: 120_000 });
    let most = 0;
    fake.pool.on('opening', () => {
      most = Math.max(most, fake.pool.stats().opening);
    });
    // Each connect under way costs all of them.
    fake.server.connecting = () => ({ afterMs: 40 * fake.pool.stats().opening ** 2 });
    callersOf(fake, 500, 240);
    await fake.runtime.advance(60_000);
    expect(most).toBeLessThan(20);
    expect(fake.pool.stats()).toMatchObject({ waiting: 0, timeouts: 0 });
  });

  it('starts again from a few when connections are lost, which tells of the server', async () => {
    const fake = fakePool({ maxConnections: 50 });
    await warm(fake, 20);
    for (const connection of fake.server.live) connection.lose(new Error('terminating connection'));
    fake.server.connecting = () => ({ afterMs: 400 });
    const before = fake.server.connects;
    callersOf(fake, 50);
    await fake.runtime.advance(399);
    expect(fake.server.connects - before).toBe(3);
  });
});

describe('a pool that has never connected', () => {
  it.each([
    {
      what: 'is refused',
      connecting: (): Outcome => ({ error: new Error('connect ECONNREFUSED 127.0.0.1:1') }),
      says: 'connect ECONNREFUSED 127.0.0.1:1',
    },
    { what: 'is not answered', connecting: (): Outcome => 'never', says: 'No attempt has been answered' },
  ])('and $what says so once, after a second', async ({ connecting, says }) => {
    const fake = fakePool({}, (server) => {
      server.connecting = connecting;
    });
    follow(fake.pool.acquire());
    await fake.runtime.advance(999);
    expect(fake.warnings).toEqual([]);
    await fake.runtime.advance(500);
    expect(fake.warnings).toEqual([{ code: 'TENURE_NOT_CONNECTED', message: expect.stringContaining(says) }]);
    await fake.runtime.advance(60_000);
    expect(fake.warnings).toHaveLength(1);
  });

  it('says so also when nobody waits, and connections are to be kept open', async () => {
    const fake = fakePool({ minConnections: 1 }, (server) => {
      server.connecting = () => ({ error: new Error('connect ECONNREFUSED') });
    });
    await fake.runtime.advance(2_000);
    expect(fake.warnings.map(({ code }) => code)).toEqual(['TENURE_NOT_CONNECTED']);
  });

  it('says nothing of a failure once it has connected', async () => {
    const fake = fakePool({ maxConnections: 1, maxUses: 1 });
    const held = await take(fake);
    fake.server.connecting = () => ({ error: new Error('connect ECONNREFUSED') });
    fake.pool.release(held);
    follow(fake.pool.acquire());
    await fake.runtime.advance(10_000);
    expect(fake.warnings).toEqual([]);
  });
});
