import { describe, expect, it } from 'vitest';
import { TenureConnectError, TenureTimeoutError, TenureUnreachableError } from '../../../packages/core/src/errors.js';
import { fakePool, follow, take, warm } from '../../support/fakePool.js';

const REFUSED = new Error('connect ECONNREFUSED');

describe('opening', () => {
  it('opens the first connection alone, then a few at a time and more as they succeed, never more than the maximum', async () => {
    const fake = fakePool({ maxConnections: 10 }, (server) => {
      server.connecting = () => ({ afterMs: 500 });
    });
    let most = 0;
    fake.pool.on('opening', () => {
      most = Math.max(most, fake.pool.stats().opening);
    });
    const answers: number[] = [];
    const callers = Array.from({ length: 1_000 }, () =>
      fake.pool.use(async () => {
        answers.push(fake.runtime.time);
        await fake.runtime.sleep(100);
      }),
    );
    await fake.runtime.settle();
    expect(fake.server.connects).toBe(1);
    await fake.runtime.advance(20_000);
    await Promise.all(callers);
    expect(answers[0]).toBe(500);
    expect(most).toBe(6);
    expect(fake.server.connects).toBe(10);
  });

  it('opens nothing more once the demand has gone', async () => {
    const fake = fakePool({ maxConnections: 10 });
    await warm(fake, 1);
    fake.server.connecting = () => ({ afterMs: 150 });
    // Fifty short queries come at once: by the time three connections are open, one has served everyone.
    const callers = Array.from({ length: 50 }, () => fake.pool.use(() => fake.runtime.sleep(2)));
    await fake.runtime.advance(1_000);
    await Promise.all(callers);
    expect(fake.server.connects).toBe(4);
  });

  it('outlives the caller that caused it: the connection serves the next one', async () => {
    const fake = fakePool({}, (server) => {
      server.connecting = () => ({ afterMs: 500 });
    });
    const impatient = follow(fake.pool.acquire({ timeoutMs: 100 }));
    await fake.runtime.advance(200);
    expect(impatient.error).toBeInstanceOf(TenureTimeoutError);
    const patient = follow(fake.pool.acquire());
    await fake.runtime.advance(300);
    expect(patient.value).toBeDefined();
    expect(fake.server.connects).toBe(1);
  });

  it('gives the oldest caller whatever comes first: here a return, while a connection is still being opened', async () => {
    const fake = fakePool({ maxConnections: 2 });
    const held = await take(fake);
    fake.server.connecting = () => ({ afterMs: 300 });
    const waiting = follow(fake.pool.acquire());
    await fake.runtime.advance(20);
    fake.pool.release(held);
    await fake.runtime.settle();
    expect(waiting.value).toBe(held);
  });

  it('keeps minConnections open and warm from the start, and again after one is lost', async () => {
    const fake = fakePool({ minConnections: 3 });
    await fake.runtime.settle();
    expect(fake.pool.stats()).toMatchObject({ idle: 3, acquired: 0 });
    await fake.runtime.advance(60_000);
    fake.server.live[0]!.lose();
    await fake.runtime.settle();
    expect(fake.pool.stats()).toMatchObject({ idle: 3 });
  });

  it('takes a connection that ends as soon as it is open for a connect that failed, and does not ask over and over', async () => {
    const fake = fakePool({ minConnections: 2 });
    fake.pool.on('opened', (connection) => connection.lose(new Error('shutting down')));
    await fake.runtime.advance(1_000);
    expect(fake.server.connects).toBeLessThanOrEqual(4);
    expect(fake.pool.stats().openFailures).toBe(fake.server.connects);
  });

  it('gives a connect no longer than connectTimeoutMs, and closes one that arrives after that', async () => {
    const fake = fakePool({ connectTimeoutMs: 1_000, acquireTimeoutMs: 1_200 });
    let arrive = () => {};
    const connect = fake.server.connect.bind(fake.server);
    fake.server.connect = async (_signal, onLost) => {
      fake.server.connect = () => new Promise(() => {});
      await new Promise<void>((resolve) => (arrive = resolve));
      return connect(new AbortController().signal, onLost);
    };
    const waiting = follow(fake.pool.acquire());
    await fake.runtime.advance(1_200);
    expect(waiting.error).toBeInstanceOf(TenureUnreachableError);
    arrive();
    await fake.runtime.settle();
    expect(fake.server.opened.map(({ ended }) => ended)).toEqual(['aborted']);
  });
});

describe('a server that is down', () => {
  const down = { acquireTimeoutMs: 30_000, connectTimeoutMs: 10_000 };

  it('gets at most three connects a second, however many callers wait', async () => {
    const fake = fakePool(down, (server) => {
      server.connecting = () => ({ error: REFUSED });
    });
    for (let i = 0; i < 200; i++) fake.pool.acquire().catch(() => {});
    for (let second = 1; second <= 9; second++) {
      const before = fake.server.connects;
      await fake.runtime.advance(1_000);
      expect(fake.server.connects - before).toBeLessThanOrEqual(3);
      expect(fake.server.connects - before).toBeGreaterThanOrEqual(2);
    }
  });

  it('gets no more than that in the second in which it goes down, when several connects are under way', async () => {
    const fake = fakePool({ ...down, maxConnections: 10 });
    await warm(fake, 1);
    await take(fake);
    fake.server.connecting = () => ({ error: REFUSED });
    const before = fake.server.connects;
    for (let i = 0; i < 50; i++) fake.pool.acquire().catch(() => {});
    await fake.runtime.advance(999);
    expect(fake.server.connects - before).toBe(3);
    await fake.runtime.advance(1_000);
    expect(fake.server.connects - before).toBeLessThanOrEqual(6);
  });

  it('serves the callers in line soon after it is back', async () => {
    const fake = fakePool(down, (server) => {
      server.connecting = () => ({ error: REFUSED });
    });
    const waiting = follow(fake.pool.acquire());
    await fake.runtime.advance(5_050);
    fake.server.connecting = () => ({});
    await fake.runtime.advance(400);
    expect(waiting.value).toBeDefined();
  });

  it('is named, with the last error as cause, to a caller whose time is up', async () => {
    const fake = fakePool({ ...down, acquireTimeoutMs: 1_000 }, (server) => {
      server.connecting = () => ({ error: REFUSED });
    });
    const waiting = follow(fake.pool.acquire());
    await fake.runtime.advance(1_000);
    expect(waiting.error).toBeInstanceOf(TenureUnreachableError);
    expect(waiting.error).toMatchObject({ code: 'TENURE_UNREACHABLE', cause: REFUSED, waitedMs: 1_000 });
    expect((waiting.error as Error).message).toContain('unreachable');
    expect((waiting.error as Error).message).toContain('connect ECONNREFUSED');
  });

  it('refuses nobody who may wait until it is back', async () => {
    const fake = fakePool(down, (server) => {
      server.connecting = () => ({ error: REFUSED });
    });
    const callers = [follow(fake.pool.use(() => {}))];
    for (let second = 1; second <= 14; second++) {
      await fake.runtime.advance(1_000);
      callers.push(follow(fake.pool.use(() => {})));
    }
    expect(callers.some(({ settled }) => settled)).toBe(false);
    fake.server.connecting = () => ({});
    await fake.runtime.advance(400);
    expect(callers.every(({ settled, error }) => settled && error === undefined)).toBe(true);
  });

  it('refuses a caller at once when it has been away for longer than that caller may wait, while probing goes on', async () => {
    const fake = fakePool(down, (server) => {
      server.connecting = () => ({ error: REFUSED });
    });
    const first = follow(fake.pool.acquire());
    await fake.runtime.advance(20_000);
    const [patient, impatient] = [follow(fake.pool.acquire()), follow(fake.pool.acquire({ timeoutMs: 5_000 }))];
    await fake.runtime.settle();
    expect(first.settled || patient.settled).toBe(false);
    expect(impatient.error).toMatchObject({ code: 'TENURE_UNREACHABLE', cause: REFUSED, waitedMs: 0 });
    await fake.runtime.advance(10_500);
    expect(first.error).toMatchObject({ code: 'TENURE_UNREACHABLE', waitedMs: 30_000 });
    const late = follow(fake.pool.acquire());
    await fake.runtime.settle();
    expect(late.error).toMatchObject({ code: 'TENURE_UNREACHABLE', waitedMs: 0 });
    await fake.runtime.advance(20_000);
    const probes = fake.server.connects;
    await fake.runtime.advance(60_000);
    // Nobody waits: the probes have doubled their distance to five seconds, less a quarter at most.
    expect(fake.server.connects - probes).toBeGreaterThanOrEqual(11);
    expect(fake.server.connects - probes).toBeLessThanOrEqual(16);
    fake.server.connecting = () => ({});
    await fake.runtime.advance(5_000);
    await expect(take(fake)).resolves.toBeDefined();
  });

  it('is found within half a second, however long it was away, while callers come and are refused', async () => {
    const fake = fakePool(down, (server) => {
      server.connecting = () => ({ error: REFUSED });
    });
    const keepAsking = async (times: number) => {
      for (let i = 0; i < times; i++) {
        follow(fake.pool.acquire());
        await fake.runtime.advance(100);
      }
    };
    follow(fake.pool.acquire());
    await fake.runtime.advance(30_000);
    await keepAsking(300);
    const probes = fake.server.connects;
    await keepAsking(20);
    expect(fake.server.connects - probes).toBeLessThanOrEqual(6);
    fake.server.connecting = () => ({});
    await fake.runtime.advance(500);
    expect(fake.pool.stats()).toMatchObject({ idle: 1 });
  });

  it('is left in peace once nobody waits any more', async () => {
    const fake = fakePool({ ...down, acquireTimeoutMs: 1_000 }, (server) => {
      server.connecting = () => ({ error: REFUSED });
    });
    fake.pool.acquire().catch(() => {});
    await fake.runtime.advance(1_000);
    const attempts = fake.server.connects;
    await fake.runtime.advance(60_000);
    expect(fake.server.connects).toBe(attempts);
  });
});

describe('a server that refuses this client', () => {
  const refuse = (server: ReturnType<typeof fakePool>['server']) => {
    server.connecting = () => ({ afterMs: 10, error: new Error('password authentication failed') });
    server.failure = 'permanent';
  };

  it('is asked once, and everyone who waits hears its answer', async () => {
    const fake = fakePool({}, refuse);
    const callers = Array.from({ length: 20 }, () => follow(fake.pool.acquire()));
    await fake.runtime.advance(10);
    expect(fake.server.connects).toBe(1);
    for (const { error } of callers) {
      expect(error).toBeInstanceOf(TenureConnectError);
      expect((error as Error).message).toContain('password authentication failed');
      expect((error as Error).cause).toMatchObject({ message: 'password authentication failed' });
    }
  });

  it('is not asked again during the back-off, and callers hear its answer at once', async () => {
    const fake = fakePool({}, refuse);
    fake.pool.acquire().catch(() => {});
    await fake.runtime.advance(100);
    await expect(fake.pool.acquire()).rejects.toBeInstanceOf(TenureConnectError);
    expect(fake.server.connects).toBe(1);
  });

  it('is asked again by the first caller after the back-off', async () => {
    const fake = fakePool({}, refuse);
    fake.pool.acquire().catch(() => {});
    await fake.runtime.advance(1_000);
    fake.server.connecting = () => ({});
    await expect(take(fake)).resolves.toBeDefined();
  });

  it('does not keep callers from the connections that are open', async () => {
    const fake = fakePool({ maxConnections: 3 });
    const held = await take(fake);
    refuse(fake.server);
    const waiting = follow(fake.pool.acquire());
    await fake.runtime.advance(50);
    expect(waiting.settled).toBe(false);
    fake.pool.release(held);
    await fake.runtime.settle();
    expect(waiting.value).toBe(held);
  });
});

describe('a server that is full', () => {
  const fill = (server: ReturnType<typeof fakePool>['server']) => {
    server.connecting = () => ({ error: new Error('sorry, too many clients already') });
    server.failure = 'full';
  };

  it('serves the callers from the connections that are open', async () => {
    const fake = fakePool({ maxConnections: 10 });
    await warm(fake, 3);
    fill(fake.server);
    const callers = Array.from({ length: 300 }, () => follow(fake.pool.use(() => fake.runtime.sleep(5))));
    await fake.runtime.advance(1_000);
    expect(callers.filter(({ error }) => error)).toEqual([]);
    expect(callers.every(({ settled }) => settled)).toBe(true);
    // The pool stopped growing for a while instead of knocking for each of three hundred callers.
    expect(fake.server.connects - 3).toBeLessThanOrEqual(6);
  });

  it('fails a caller only at its deadline, and only when no connection is open at all', async () => {
    const fake = fakePool({ acquireTimeoutMs: 2_000 }, fill);
    const waiting = follow(fake.pool.acquire());
    await fake.runtime.advance(1_999);
    expect(waiting.settled).toBe(false);
    await fake.runtime.advance(1);
    expect(waiting.error).toBeInstanceOf(TenureUnreachableError);
    expect((waiting.error as Error).message).toContain('no free slot');
  });

  it('is tried again, and used when it has room', async () => {
    const fake = fakePool({ acquireTimeoutMs: 10_000 }, fill);
    const waiting = follow(fake.pool.acquire());
    await fake.runtime.advance(2_000);
    fake.server.connecting = () => ({});
    await fake.runtime.advance(400);
    expect(waiting.value).toBeDefined();
  });
});
