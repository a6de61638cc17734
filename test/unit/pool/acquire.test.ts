import { describe, expect, it } from 'vitest';
import { TenureTimeoutError, TenureTooManyWaitingError, TenureUsageError } from '../../../packages/core/src/errors.js';
import { fakePool, follow, take, warm } from '../../support/fakePool.js';

describe('acquire and release', () => {
  it('hands a returned connection to the next caller instead of opening another', async () => {
    const fake = fakePool();
    const first = await take(fake);
    fake.pool.release(first);
    expect(await take(fake)).toBe(first);
    expect(fake.server.connects).toBe(1);
    expect(fake.pool.stats()).toMatchObject({ acquired: 2, opened: 1, reusedShare: 0.5 });
  });

  it('hands out the connection that came back last, so that the hot set stays small', async () => {
    const fake = fakePool();
    const [first, second] = await warm(fake, 2);
    expect(await take(fake)).toBe(second);
    expect(await take(fake)).toBe(first);
  });

  it('needs no timer, no I/O and no turn of the event loop for a connection heard from a moment ago', async () => {
    const fake = fakePool();
    await warm(fake, 1);
    const timers = fake.runtime.timers;
    const acquiring = follow(fake.pool.acquire());
    await Promise.resolve();
    expect(acquiring.value).toBeDefined();
    fake.pool.release(acquiring.value!);
    expect(fake.runtime.timers).toBe(timers);
    expect(fake.server.pings).toBe(0);
  });

  it('serves callers in the order in which they came', async () => {
    const fake = fakePool({ maxConnections: 1 });
    const held = await take(fake);
    const order: number[] = [];
    const callers = [1, 2, 3].map((caller) =>
      fake.pool.acquire().then((connection) => {
        order.push(caller);
        fake.pool.release(connection);
      }),
    );
    fake.pool.release(held);
    await Promise.all(callers);
    expect(order).toEqual([1, 2, 3]);
  });

  it('refuses a connection that was released before', async () => {
    const fake = fakePool();
    const connection = await take(fake);
    fake.pool.release(connection);
    expect(() => fake.pool.release(connection)).toThrow(TenureUsageError);
  });

  it('refuses a connection of another pool', async () => {
    const [fake, other] = [fakePool(), fakePool()];
    const foreign = await take(other);
    expect(() => fake.pool.release(foreign)).toThrow(TenureUsageError);
  });

  it('gives a connection back after use, also when the work fails', async () => {
    const fake = fakePool();
    await expect(fake.pool.use(async () => 42)).resolves.toBe(42);
    const mistake = new Error('the app made a mistake');
    await expect(fake.pool.use(() => Promise.reject(mistake))).rejects.toBe(mistake);
    await fake.runtime.settle();
    expect(fake.pool.stats()).toMatchObject({ used: 0, idle: 1, opened: 1 });
  });

  it('takes a caller out of the line when its signal is aborted, with the reason it gave', async () => {
    const fake = fakePool({ maxConnections: 1 });
    const held = await take(fake);
    const controller = new AbortController();
    const aborted = follow(fake.pool.acquire({ signal: controller.signal }));
    const next = follow(fake.pool.acquire());
    const reason = new Error('the request was cancelled');
    controller.abort(reason);
    fake.pool.release(held);
    await fake.runtime.settle();
    expect(aborted.error).toBe(reason);
    expect(next.value).toBe(held);
  });

  it('does not even ask for a caller whose signal was aborted before', async () => {
    const fake = fakePool();
    await expect(fake.pool.acquire({ signal: AbortSignal.abort('too late') })).rejects.toBe('too late');
    expect(fake.server.connects).toBe(0);
  });
});

describe('a caller whose time is up', () => {
  it('hears who holds the connections, for how long, and whether in a transaction', async () => {
    const fake = fakePool({ maxConnections: 1, acquireTimeoutMs: 1_000 });
    const held = await take(fake);
    held.status = 'active';
    const waiting = follow(fake.pool.acquire());
    await fake.runtime.advance(1_000);
    const error = waiting.error as TenureTimeoutError;
    expect(error).toBeInstanceOf(TenureTimeoutError);
    expect(error.code).toBe('TENURE_ACQUIRE_TIMEOUT');
    expect(error.waitedMs).toBe(1_000);
    expect(error.figures).toEqual({ used: 1, idle: 0, opening: 0, busy: 0, waiting: 1, max: 1 });
    expect(error.holders).toEqual([{ processId: 1001, heldMs: 1_000, status: 'active' }]);
    expect(error.message).toContain('1 used, 0 idle, 0 opening of at most 1');
    expect(error.message).toContain('backend 1001, held for 1000 ms, a query in flight');
  });

  it('is told that the holders block each other when all sit in a transaction with no query in flight', async () => {
    const fake = fakePool({ maxConnections: 2, acquireTimeoutMs: 500 });
    for (const connection of [await take(fake), await take(fake)]) connection.status = 'transaction';
    const waiting = follow(fake.pool.acquire());
    await fake.runtime.advance(500);
    expect((waiting.error as Error).message).toContain('go through the pool instead of the transaction?');
  });

  it('is not told so while one of them has a query in flight', async () => {
    const fake = fakePool({ maxConnections: 2, acquireTimeoutMs: 500 });
    const [busy, idle] = [await take(fake), await take(fake)];
    busy.status = 'active';
    idle.status = 'transaction';
    const waiting = follow(fake.pool.acquire());
    await fake.runtime.advance(500);
    expect((waiting.error as Error).message).not.toContain('go through the pool instead of the transaction?');
  });

  it('takes no connection with it: the next in line gets the one that comes back', async () => {
    const fake = fakePool({ maxConnections: 1 });
    const held = await take(fake);
    const impatient = follow(fake.pool.acquire({ timeoutMs: 100 }));
    const patient = follow(fake.pool.acquire({ timeoutMs: 10_000 }));
    await fake.runtime.advance(100);
    fake.pool.release(held);
    await fake.runtime.settle();
    expect(impatient.error).toBeInstanceOf(TenureTimeoutError);
    expect(patient.value).toBe(held);
  });

  it('still gets a connection that came back while the event loop was blocked', async () => {
    const fake = fakePool({ maxConnections: 1, acquireTimeoutMs: 1_000 });
    const held = await take(fake);
    const waiting = follow(fake.pool.acquire());
    // The answer that lets the holder finish is read in the first turn after the block.
    fake.runtime.nextTurn(() => fake.pool.release(held));
    await fake.runtime.block(5_000);
    expect(waiting.value).toBe(held);
  });

  it('shares one timer with all the others', async () => {
    const fake = fakePool({ maxConnections: 1 });
    await take(fake);
    const before = fake.runtime.timers;
    for (let i = 0; i < 1_000; i++) fake.pool.acquire().catch(() => {});
    expect(fake.runtime.timers - before).toBeLessThanOrEqual(1);
  });

  it('keeps the process alive, and no longer than it waits', async () => {
    const fake = fakePool({ maxConnections: 1 });
    const held = await take(fake);
    expect(fake.runtime.holdsProcess).toBe(false);
    const waiting = fake.pool.acquire();
    expect(fake.runtime.holdsProcess).toBe(true);
    fake.pool.release(held);
    fake.pool.release(await waiting);
    expect(fake.runtime.holdsProcess).toBe(false);
  });
});

describe('a time limit that nobody wrote', () => {
  /** A line that one connection serves, 200 ms each. */
  const lineOf = (fake: ReturnType<typeof fakePool>, callers: number, options?: { timeoutMs: number }) =>
    Array.from({ length: callers }, () => follow(fake.pool.use(() => fake.runtime.sleep(200), options)));

  it('turns away nobody from a line that is long and moves', async () => {
    const fake = fakePool({ maxConnections: 2 });
    const callers = lineOf(fake, 380);
    await fake.runtime.advance(38_100);
    expect(callers.filter(({ settled, error }) => !settled || error)).toEqual([]);
  });

  it('turns away those in a line that is stuck, that long after its last progress', async () => {
    const fake = fakePool({ maxConnections: 1 });
    lineOf(fake, 2);
    const stuck = follow(fake.pool.acquire());
    const behind = follow(fake.pool.acquire());
    await fake.runtime.advance(30_399);
    expect(stuck.value).toBeDefined();
    expect(behind.settled).toBe(false);
    await fake.runtime.advance(1);
    expect(behind.error).toBeInstanceOf(TenureTimeoutError);
    expect((behind.error as TenureTimeoutError).waitedMs).toBeCloseTo(30_400);
  });

  it.each([
    { who: 'the policy', policy: { acquireTimeoutMs: 30_000 }, options: undefined },
    { who: 'the caller', policy: {}, options: { timeoutMs: 30_000 } },
  ])('is not the one that $who has written: that counts from the call', async ({ policy, options }) => {
    const fake = fakePool({ maxConnections: 2, ...policy });
    const callers = lineOf(fake, 380, options);
    await fake.runtime.advance(38_100);
    const failed = callers.filter(({ error }) => error);
    expect(failed).toHaveLength(380 - 2 * (30_000 / 200));
    for (const { error } of failed) expect(error).toMatchObject({ waitedMs: 30_000 });
  });
});

describe('maxWaiting', () => {
  it('refuses at once when that many callers wait for a connection in use', async () => {
    const fake = fakePool({ maxConnections: 1, maxWaiting: 2 });
    await take(fake);
    const waiting = [follow(fake.pool.acquire()), follow(fake.pool.acquire())];
    const refused = follow(fake.pool.acquire());
    await fake.runtime.settle();
    expect(waiting.map(({ settled }) => settled)).toEqual([false, false]);
    expect(refused.error).toBeInstanceOf(TenureTooManyWaitingError);
    expect(fake.pool.stats()).toMatchObject({ waiting: 2, refused: 1 });
  });

  it('with 0 lets no one wait for a return, but everyone for an open or a check', async () => {
    const fake = fakePool({ maxConnections: 2, maxWaiting: 0 });
    await warm(fake, 1);
    await fake.runtime.advance(10_000);
    const [checked, opened] = [follow(fake.pool.acquire()), follow(fake.pool.acquire())];
    await fake.runtime.settle();
    expect([checked.error, opened.error]).toEqual([undefined, undefined]);
    await expect(fake.pool.acquire()).rejects.toBeInstanceOf(TenureTooManyWaitingError);
  });
});

describe('exitOnIdle', () => {
  it('lets the process exit while a connection is idle, and not while it is used', async () => {
    const fake = fakePool();
    const connection = await take(fake);
    expect(connection.holdsProcess).toBe(true);
    fake.pool.release(connection);
    expect(connection.holdsProcess).toBe(false);
    await take(fake);
    expect(connection.holdsProcess).toBe(true);
  });

  it('when off keeps the process alive as long as a connection is open', async () => {
    const fake = fakePool({ exitOnIdle: false });
    const [connection] = await warm(fake, 1);
    expect(connection!.holdsProcess).toBe(true);
  });
});
