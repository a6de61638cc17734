import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { TenureTimeoutError } from '../../../packages/core/src/errors.js';
import { systemRuntime } from '../../../packages/core/src/pool/clock.js';
import { fakePool, follow, take, warm } from '../../support/fakePool.js';

const REFUSED = new Error('connect ECONNREFUSED');

/** Rejections that are not handled while the test runs. */
function strayErrors(): unknown[] {
  const errors: unknown[] = [];
  const listen = (error: unknown) => errors.push(error);
  process.on('unhandledRejection', listen);
  onTestFinished(() => void process.off('unhandledRejection', listen));
  return errors;
}

describe('a server that was down', () => {
  it('is asked again by the first caller after a quiet time, however long ago the failures were', async () => {
    const fake = fakePool({ connectTimeoutMs: 10_000, acquireTimeoutMs: 2_000 }, (server) => {
      server.connecting = () => ({ error: REFUSED });
    });
    const early = follow(fake.pool.acquire());
    await fake.runtime.advance(2_000);
    expect(early.settled).toBe(true);
    fake.server.connecting = () => ({});
    await fake.runtime.advance(60_000);
    await expect(take(fake)).resolves.toBeDefined();
  });

  it('does not make callers hear "unreachable" for failures of an hour ago when the last connection comes of age', async () => {
    const fake = fakePool({ maxAgeMs: 3_600_000, idleTimeoutMs: 'none', connectTimeoutMs: 10_000 });
    const held = await take(fake);
    fake.server.connecting = () => ({ error: REFUSED });
    const second = follow(fake.pool.acquire());
    await fake.runtime.advance(15_000);
    fake.pool.release(held);
    await fake.runtime.settle();
    expect(second.value).toBe(held);
    fake.server.connecting = () => ({});
    await fake.runtime.advance(3_600_000);
    fake.pool.release(held);
    await expect(take(fake)).resolves.toBeDefined();
  });

  it('does not keep a timer ringing over and over while one attempt hangs and several callers wait', async () => {
    const fake = fakePool({ connectTimeoutMs: 10_000 }, (server) => {
      server.connecting = () => ({ error: REFUSED });
    });
    const callers = [1, 2, 3].map(() => follow(fake.pool.acquire()));
    await fake.runtime.settle();
    fake.server.connecting = () => 'never';
    await fake.runtime.advance(1_000);
    expect(fake.server.connects).toBe(2);
    expect(callers.every(({ settled }) => !settled)).toBe(true);
  });

  it('is not asked over and over without a pause when it ends connections before they are ready', async () => {
    const fake = fakePool({ minConnections: 1 });
    let connects = 0;
    const connect = fake.server.connect.bind(fake.server);
    fake.server.connect = async (signal, onLost) => {
      if (++connects > 100) return connect(signal, onLost);
      const connection = await connect(signal, onLost);
      connection.lose();
      return connection;
    };
    (await warm(fake, 1))[0]?.lose();
    connects = 0;
    await fake.runtime.advance(1_000);
    expect(connects).toBeLessThanOrEqual(4);
  });
});

describe('a listener', () => {
  it('that acquires when a connection is being opened does not take the pool above its maximum', async () => {
    const fake = fakePool({ maxConnections: 3 });
    await take(fake);
    fake.pool.on('opening', () => void follow(fake.pool.acquire()));
    fake.pool.resize({ minConnections: 3 });
    await fake.runtime.settle();
    expect(fake.server.connects).toBe(3);
  });

  it('that drains when a connection is being opened ends the others that are, and opens no more', async () => {
    const fake = fakePool({ maxConnections: 9, minConnections: 1 }, (server) => {
      server.connecting = () => ({ afterMs: 50 });
    });
    await fake.runtime.advance(50);
    fake.pool.on('opening', () => void fake.pool.drain());
    fake.pool.resize({ minConnections: 9 });
    await fake.runtime.advance(1_000);
    expect(fake.server.connects).toBeLessThanOrEqual(5);
    expect(fake.pool.connections()).toEqual([]);
    expect(fake.server.live).toEqual([]);
  });

  it('that drains when a connection was opened leaves no connection behind', async () => {
    const stray = strayErrors();
    const fake = fakePool();
    fake.pool.on('opened', () => void fake.pool.drain());
    const waiting = follow(fake.pool.acquire());
    await fake.runtime.settle();
    if (waiting.value) fake.pool.release(waiting.value);
    await fake.runtime.settle();
    expect(stray).toEqual([]);
    expect(fake.server.live).toEqual([]);
    expect(fake.pool.connections()).toEqual([]);
  });

  it('that meets the end of a connection when it was opened costs no more than that connection', async () => {
    const stray = strayErrors();
    const fake = fakePool({ minConnections: 1 });
    let opened = 0;
    fake.pool.on('opened', (connection) => {
      if (++opened === 1) connection.lose();
    });
    await fake.runtime.advance(1_000);
    expect(stray).toEqual([]);
    expect(fake.pool.connections()).toMatchObject([{ state: 'idle' }]);
    expect(fake.server.live).toHaveLength(1);
  });

  it('that ends a connection when its transaction was rolled back costs no more than that connection', async () => {
    const stray = strayErrors();
    const fake = fakePool();
    fake.pool.on('rollback', (connection) => connection.lose());
    const held = await take(fake);
    held.status = 'transaction';
    fake.pool.release(held);
    await fake.runtime.settle();
    expect(stray).toEqual([]);
    expect(fake.pool.connections()).toEqual([]);
  });

  it('that acquires when an idle connection is closed never loses its connection to the same upkeep', async () => {
    const fake = fakePool({ maxConnections: 2, keepaliveMs: 'none' });
    const both = await warm(fake, 2);
    const taken: ReturnType<typeof follow>[] = [];
    fake.pool.on('closing', () => taken.push(follow(fake.pool.acquire())));
    fake.pool.invalidate();
    await fake.runtime.settle();
    expect(both.map(({ ended }) => ended)).toEqual(['closed', 'closed']);
    for (const { value } of taken) expect(value).toMatchObject({ ended: undefined });
    expect(taken.length).toBeGreaterThan(0);
  });

  it('that acquires when an idle connection is closed is left what it got, although that had been idle as long', async () => {
    const fake = fakePool({ healthChecks: false, idleTimeoutMs: 10_000 });
    await warm(fake, 3);
    let taken: ReturnType<typeof follow> | undefined;
    fake.pool.on('closing', () => {
      taken ??= follow(fake.pool.acquire());
    });
    await fake.runtime.advance(10_000);
    expect(taken?.value).toMatchObject({ ended: undefined });
    expect(fake.pool.connections().map(({ state }) => state)).toEqual(['used']);
  });

  it('that drains when an idle connection is closed does not have the others closed twice', async () => {
    const fake = fakePool();
    await warm(fake, 3);
    fake.pool.on('closing', () => void fake.pool.drain());
    expect(() => fake.pool.invalidate()).not.toThrow();
    await fake.runtime.settle();
    expect(fake.closings).toHaveLength(3);
  });

  it('that sends the last caller away while the pool looks for a connection loses none', async () => {
    const fake = fakePool({ keepaliveMs: 1_000 });
    const [cold, middle, hot] = [await take(fake), await take(fake), await take(fake)];
    fake.pool.release(cold);
    await fake.runtime.advance(500);
    fake.pool.release(middle);
    await fake.runtime.advance(400);
    fake.pool.release(hot);
    // The coldest has just been checked in the background, and so is the only fresh one.
    await fake.runtime.advance(102);
    const abort = new AbortController();
    fake.pool.on('closing', () => abort.abort());
    middle.isOpen = false;
    const waiting = follow(fake.pool.acquire({ signal: abort.signal }));
    await fake.runtime.settle();
    expect(waiting.settled).toBe(true);
    if (waiting.value) fake.pool.release(waiting.value);
    expect(await Promise.all([take(fake), take(fake)])).toEqual(expect.arrayContaining([cold, hot]));
  });
});

describe('a drain', () => {
  it('closes a connection whose connect ended in the same turn', async () => {
    for (let ticks = 0; ticks < 10; ticks++) {
      let arrive: () => void = () => {};
      const fake = fakePool({}, (server) => {
        const connect = server.connect.bind(server);
        server.connect = async (signal, onLost) => {
          await new Promise<void>((resolve) => {
            arrive = resolve;
          });
          return connect(signal, onLost);
        };
      });
      fake.pool.acquire().then(
        (connection) => fake.pool.release(connection),
        () => {},
      );
      await fake.runtime.settle();
      arrive();
      for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
      void fake.pool.drain();
      await fake.runtime.settle();
      expect(fake.server.live, `after ${ticks} microtasks`).toEqual([]);
    }
  });

  it('with a limit longer than a timer can hold does not drop work at once', () => {
    // Node warns of a delay that it cannot hold, and makes 1 ms of it.
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    systemRuntime.after(2 ** 31, () => {}).cancel();
    expect(warned).not.toHaveBeenCalled();
    clearTimeout(setTimeout(() => {}, 2 ** 31));
    expect(warned).toHaveBeenCalled();
  });
});

describe('upkeep', () => {
  it('does not loop over a connection that nobody has used, when the driver cannot ask the server', async () => {
    const fake = fakePool({ minConnections: 1, maxAgeMs: 1_000, keepaliveMs: 2_000 }, (server) => {
      Object.assign(server, { ping: undefined });
    });
    await fake.runtime.advance(10_000);
    expect(fake.server.connects).toBe(1);
  });

  it('does not loop when keepaliveMs is shorter than healthBypassMs, and asks the server all the same', async () => {
    const fake = fakePool({ keepaliveMs: 1_000, healthBypassMs: 60_000 });
    await warm(fake, 1);
    await fake.runtime.advance(10_500);
    expect(fake.server.pings).toBe(10);
  });

  it('closes a connection for its idle time, also when a background check came shortly before', async () => {
    const fake = fakePool({ keepaliveMs: 120_000, idleTimeoutMs: 130_000 });
    await warm(fake, 1);
    await fake.runtime.advance(130_000);
    expect(fake.closings).toEqual(['idle']);
  });
});

describe('a caller without a time limit', () => {
  it('keeps the process alive until it is served, also after a warning that the holders block each other', async () => {
    const fake = fakePool({ maxConnections: 1, acquireTimeoutMs: 'none', maxUses: 1 });
    const held = await take(fake);
    held.status = 'transaction';
    follow(fake.pool.acquire());
    await fake.runtime.advance(1_500);
    expect(fake.warnings.map(({ code }) => code)).toEqual(['TENURE_IDLE_IN_TRANSACTION']);
    // The connection is replaced, and the server is away: nothing but the pool's own timers could keep the process alive.
    fake.server.connecting = () => ({ error: REFUSED });
    fake.pool.release(held);
    await fake.runtime.settle();
    expect(fake.pool.stats()).toMatchObject({ waiting: 1, used: 0 });
    expect(fake.runtime.holdsProcess).toBe(true);
  });
});

describe('figures', () => {
  it('in the error of a caller whose time is up count that caller among those who waited', async () => {
    const fake = fakePool({ maxConnections: 1, acquireTimeoutMs: 500 });
    await take(fake);
    const callers = [1, 2].map(() => follow(fake.pool.acquire()));
    await fake.runtime.advance(500);
    for (const { error } of callers) {
      expect(error).toBeInstanceOf(TenureTimeoutError);
      expect((error as TenureTimeoutError).figures.waiting).toBe(2);
      expect((error as TenureTimeoutError).message).toContain('2 waiting');
    }
  });

  it('count callers who were in line when the server refused them', async () => {
    const fake = fakePool({}, (server) => {
      server.connecting = () => ({ error: new Error('password authentication failed') });
      server.failure = 'permanent';
    });
    const callers = [1, 2, 3].map(() => follow(fake.pool.acquire()));
    await fake.runtime.settle();
    expect(callers.every(({ settled }) => settled)).toBe(true);
    expect(fake.pool.stats().refused + fake.pool.stats().timeouts).toBe(3);
  });

  it('do not take connections above a smaller maximum for callers in line', async () => {
    const fake = fakePool({ maxConnections: 3, maxWaiting: 2 });
    for (let i = 0; i < 3; i++) await take(fake);
    fake.pool.resize({ maxConnections: 1 });
    const waiting = follow(fake.pool.acquire());
    await fake.runtime.settle();
    expect(waiting.settled).toBe(false);
  });
});

describe('a driver', () => {
  it('whose reset finds the connection lost before it returns costs no more than that connection', async () => {
    const stray = strayErrors();
    const fake = fakePool();
    fake.server.reset = async (connection) => {
      connection.lose();
      throw new Error('Connection terminated');
    };
    const held = await take(fake);
    fake.pool.release(held, new Error('read ECONNRESET'));
    await fake.runtime.settle();
    expect(stray).toEqual([]);
    expect(fake.closings).toEqual(['broken']);
  });

  it('that throws while a dead connection is dropped does not leave its place taken', async () => {
    const fake = fakePool({ maxConnections: 1 }, (server) => {
      Object.assign(server, { abort: undefined });
      server.close = () => {
        throw new Error('already closed');
      };
    });
    const held = await take(fake);
    held.lose();
    try {
      fake.pool.release(held);
    } catch {}
    await expect(take(fake)).resolves.toBeDefined();
  });

  it('whose caller gives a timeout that is not a number hears so instead of waiting for ever', async () => {
    const fake = fakePool({ maxConnections: 1 });
    await take(fake);
    const waiting = follow(fake.pool.acquire({ timeoutMs: Number.NaN }));
    await fake.runtime.settle();
    expect(waiting.settled).toBe(true);
  });

  it('is refused a timeout that is not a number also when a connection is idle', async () => {
    const fake = fakePool({ maxConnections: 1 });
    fake.pool.release(await take(fake));
    await expect(fake.pool.acquire({ timeoutMs: -1 })).rejects.toThrow('timeoutMs');
  });
});
