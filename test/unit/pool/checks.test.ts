import { describe, expect, it } from 'vitest';
import { fakePool, follow, take, warm } from '../../support/fakePool.js';

describe('a check before reuse', () => {
  it('asks the server when the connection has been silent for longer than healthBypassMs', async () => {
    const fake = fakePool({ healthBypassMs: 500 });
    const [connection] = await warm(fake, 1);
    await fake.runtime.advance(501);
    expect(await take(fake)).toBe(connection);
    expect(fake.server.pings).toBe(1);
    expect(fake.pool.stats().checks).toEqual({ done: 1, failed: 0 });
  });

  it('only listens for a goodbye, and asks nothing, within healthBypassMs', async () => {
    const fake = fakePool({ healthBypassMs: 500 });
    const [connection] = await warm(fake, 1);
    await fake.runtime.advance(500);
    expect(await take(fake)).toBe(connection);
    expect(fake.server.pings).toBe(0);
  });

  it('hears a goodbye that is read only two turns of the event loop later', async () => {
    const fake = fakePool();
    const [connection] = await warm(fake, 1);
    await fake.runtime.advance(100);
    const acquiring = follow(fake.pool.acquire());
    fake.runtime.nextTurn(() => {
      connection!.isOpen = false;
    });
    await fake.runtime.settle();
    expect(acquiring.value).not.toBe(connection);
    expect(fake.closings).toEqual(['failed-check']);
  });

  it('replaces a connection that fails it, and the caller notices nothing', async () => {
    const fake = fakePool();
    const [dead] = await warm(fake, 1);
    fake.server.pinging = (connection) => (connection === dead ? { error: new Error('gone') } : {});
    await fake.runtime.advance(60_000);
    const connection = await take(fake);
    expect(connection).not.toBe(dead);
    expect(dead!.ended).toBe('aborted');
    expect(fake.closings).toEqual(['failed-check']);
    expect(fake.pool.stats().checks).toEqual({ done: 1, failed: 1 });
  });

  it('has failed when it takes longer than healthTimeoutMs', async () => {
    const fake = fakePool({ healthTimeoutMs: 1_000, maxConnections: 1 });
    const [dead] = await warm(fake, 1);
    fake.server.pinging = (connection) => (connection === dead ? 'never' : {});
    await fake.runtime.advance(60_000);
    const acquiring = follow(fake.pool.acquire());
    await fake.runtime.advance(999);
    expect(acquiring.settled).toBe(false);
    await fake.runtime.advance(1);
    expect(acquiring.value).toBeDefined();
    expect(acquiring.value).not.toBe(dead);
  });

  it('has not failed when its answer waits unread because the event loop was blocked', async () => {
    const fake = fakePool({ healthTimeoutMs: 1_000 });
    const [connection] = await warm(fake, 1);
    await fake.runtime.advance(60_000);
    let answer = () => {};
    fake.server.ping = () => new Promise((resolve) => (answer = resolve));
    const acquiring = follow(fake.pool.acquire());
    await fake.runtime.settle();
    fake.runtime.nextTurn(() => answer());
    await fake.runtime.block(3_000);
    expect(acquiring.value).toBe(connection);
    expect(fake.pool.stats().checks.failed).toBe(0);
  });

  it('that is late stops counting as supply, and another connection serves the caller', async () => {
    const fake = fakePool({ maxConnections: 2 });
    const [dead] = await warm(fake, 1);
    fake.server.pinging = (connection) => (connection === dead ? 'never' : {});
    await fake.runtime.advance(60_000);
    const acquiring = follow(fake.pool.acquire());
    await fake.runtime.advance(100);
    expect(acquiring.value).toBeDefined();
    expect(acquiring.value).not.toBe(dead);
  });

  it('costs the pool one healthTimeoutMs in all when every idle connection is silently dead', async () => {
    const fake = fakePool({ maxConnections: 10, healthTimeoutMs: 1_000 });
    const dead = await warm(fake, 10);
    fake.server.pinging = (connection) => (dead.includes(connection) ? 'never' : {});
    await fake.runtime.advance(60_000);
    const callers = Array.from({ length: 10 }, () => follow(fake.pool.use(() => {})));
    await fake.runtime.advance(2_000);
    expect(callers.map(({ error }) => error)).toEqual(Array(10).fill(undefined));
    expect(callers.every(({ settled }) => settled)).toBe(true);
  });

  it('is not needed when the connection passes from hand to hand', async () => {
    const fake = fakePool({ maxConnections: 1, healthBypassMs: 0 });
    const held = await take(fake);
    const waiting = follow(fake.pool.acquire());
    fake.pool.release(held);
    await fake.runtime.settle();
    expect(waiting.value).toBe(held);
    expect(fake.server.pings).toBe(0);
  });

  it('comes before every other reuse when healthBypassMs is 0', async () => {
    const fake = fakePool({ healthBypassMs: 0 });
    await warm(fake, 1);
    await fake.runtime.advance(1);
    await take(fake);
    expect(fake.server.pings).toBe(1);
  });

  it('does not happen with healthChecks off', async () => {
    const fake = fakePool({ healthChecks: false, idleTimeoutMs: 'none', maxAgeMs: 'none' });
    const [connection] = await warm(fake, 1);
    await fake.runtime.advance(3_600_000);
    expect(await take(fake)).toBe(connection);
    expect(fake.server.pings).toBe(0);
  });

  it('includes the app’s own validate before every reuse, also of a connection heard from lately', async () => {
    const asked: unknown[] = [];
    const fake = fakePool({}, (server) => {
      Object.assign(server, { validate: (connection: unknown) => asked.push(connection) < 2 });
    });
    const first = await take(fake);
    expect(asked).toEqual([]);
    fake.pool.release(first);
    expect(await take(fake)).toBe(first);
    fake.pool.release(first);
    expect(await take(fake)).not.toBe(first);
    expect(asked).toEqual([first, first]);
    expect(fake.closings).toEqual(['failed-check']);
  });
});

describe('keepalive', () => {
  it('checks an idle connection every keepaliveMs, and keeps its place among the idle', async () => {
    const fake = fakePool({ keepaliveMs: 60_000, idleTimeoutMs: 'none' });
    const [cold] = await warm(fake, 2);
    await fake.runtime.advance(60_000);
    expect(fake.server.pings).toBe(2);
    await fake.runtime.advance(60_000);
    expect(fake.server.pings).toBe(4);
    expect(await take(fake)).not.toBe(cold);
  });

  it('retires a connection that has died in its sleep before a caller meets it', async () => {
    const fake = fakePool({ keepaliveMs: 60_000 });
    await warm(fake, 1);
    fake.server.pinging = () => ({ error: new Error('gone') });
    await fake.runtime.advance(60_000);
    expect(fake.closings).toEqual(['failed-check']);
    expect(fake.pool.stats()).toMatchObject({ idle: 0 });
  });

  it('with none leaves idle connections alone', async () => {
    const fake = fakePool({ keepaliveMs: 'none', idleTimeoutMs: 'none', maxAgeMs: 'none' });
    await warm(fake, 1);
    await fake.runtime.advance(3_600_000);
    expect(fake.server.pings).toBe(0);
    expect(fake.runtime.timers).toBe(0);
  });
});

describe('a connection that ends by itself', () => {
  it('is retired at once when it is idle', async () => {
    const fake = fakePool();
    const [connection] = await warm(fake, 1);
    connection!.lose(new Error('terminated by the administrator'));
    expect(fake.pool.stats()).toMatchObject({ idle: 0, closed: { broken: 1 } });
  });

  it('is retired at its return when it is used', async () => {
    const fake = fakePool();
    const connection = await take(fake);
    connection.lose(new Error('terminated by the administrator'));
    expect(fake.pool.stats()).toMatchObject({ used: 1 });
    fake.pool.release(connection);
    expect(fake.pool.stats()).toMatchObject({ used: 0, idle: 0, closed: { broken: 1 } });
  });

  it('makes way for another when someone waits', async () => {
    const fake = fakePool({ maxConnections: 1 });
    const connection = await take(fake);
    const waiting = follow(fake.pool.acquire());
    connection.lose();
    fake.pool.release(connection);
    await fake.runtime.settle();
    expect(waiting.value).toBeDefined();
    expect(waiting.value).not.toBe(connection);
  });
});

describe('a process that is stopped while it listens for a goodbye', () => {
  it('asks the server after all', async () => {
    const fake = fakePool({ healthBypassMs: 500 });
    await warm(fake, 1);
    await fake.runtime.advance(400);
    const acquiring = follow(fake.pool.acquire());
    fake.runtime.time += 10_000;
    await fake.runtime.settle();
    expect(acquiring.value).toBeDefined();
    expect(fake.server.pings).toBe(1);
  });
});

describe('behind a pooler', () => {
  const behind = (policy: Parameters<typeof fakePool>[0] = {}) =>
    fakePool({ idleTimeoutMs: 'none', maxAgeMs: 'none', ...policy }, (server) => {
      Object.assign(server, { pooler: () => 'detected' });
    });

  it('idle connections are not pinged in the background, since each ping would take a session from others', async () => {
    const fake = behind();
    await warm(fake, 2);
    await fake.runtime.advance(10 * 60_000);
    expect(fake.server.pings).toBe(0);
    expect(fake.pool.stats()).toMatchObject({ pooler: 'detected', idle: 2 });
  });

  it('they are if the app asks for it', async () => {
    const fake = behind({ keepaliveMs: 60_000 });
    await warm(fake, 1);
    await fake.runtime.advance(61_000);
    expect(fake.server.pings).toBe(1);
  });
});
