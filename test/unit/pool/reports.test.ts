import { describe, expect, it } from 'vitest';
import { parsePolicy } from '../../../packages/core/src/policy/parsePolicy.js';
import { Pool } from '../../../packages/core/src/pool/pool.js';
import { FakeConnector } from '../../support/fakeConnector.js';
import { fakePool, follow, take, warm } from '../../support/fakePool.js';
import { FakeRuntime } from '../../support/fakeRuntime.js';

describe('leakAfterMs', () => {
  it('reports a connection held that long, once, with the place that took it', async () => {
    const fake = fakePool({ leakAfterMs: 1_000 });
    await take(fake);
    await fake.runtime.advance(10_000);
    expect(fake.warnings).toHaveLength(1);
    expect(fake.warnings[0]).toMatchObject({ code: 'TENURE_LEAK', holders: [{ processId: 1001, heldMs: 1_000 }] });
    expect(fake.warnings[0]!.holders![0]!.stack).toContain('fakePool.ts');
  });

  it('names the place that took each connection in the error of a caller whose time is up', async () => {
    const fake = fakePool({ maxConnections: 1, leakAfterMs: 60_000, acquireTimeoutMs: 500 });
    await take(fake);
    const waiting = follow(fake.pool.acquire());
    await fake.runtime.advance(500);
    expect((waiting.error as Error).message).toMatch(/taken at\n.*fakePool\.ts/);
  });

  it('captures no stack when it is not set', async () => {
    const fake = fakePool({ maxConnections: 1, acquireTimeoutMs: 500 });
    await take(fake);
    const waiting = follow(fake.pool.acquire());
    await fake.runtime.advance(500);
    expect((waiting.error as { holders?: object[] }).holders).toEqual([
      { processId: 1001, heldMs: 500, status: 'idle' },
    ]);
  });
});

describe('holders that wait for each other', () => {
  it('are warned of after a second, once, instead of at the end of the wait', async () => {
    const fake = fakePool({ maxConnections: 1 });
    const held = await take(fake);
    held.status = 'transaction';
    const waiting = follow(fake.pool.acquire());
    await fake.runtime.advance(1_000);
    expect(fake.warnings.map(({ code }) => code)).toEqual(['TENURE_IDLE_IN_TRANSACTION']);
    await fake.runtime.advance(10_000);
    expect(fake.warnings).toHaveLength(1);
    expect(waiting.settled).toBe(false);
  });

  it('are warned of later when they come to it later', async () => {
    const fake = fakePool({ maxConnections: 1 });
    const held = await take(fake);
    held.status = 'active';
    fake.pool.acquire().catch(() => {});
    await fake.runtime.advance(1_500);
    held.status = 'transaction';
    await fake.runtime.advance(1_000);
    expect(fake.warnings).toHaveLength(1);
  });
});

describe('a warning that nobody listens for', () => {
  it('goes to process.emitWarning', async () => {
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    const runtime = new FakeRuntime();
    new Pool(new FakeConnector(runtime), parsePolicy({ QUIET_CONN_BUDGET: '5' }, { name: 'quiet' }), runtime);
    expect(await warned).toMatchObject({ name: 'TenureWarning', code: 'TENURE_BUDGET_OFF' });
  });
});

describe('stats', () => {
  it('count waits, and those who did not have to wait as none', async () => {
    const fake = fakePool({ maxConnections: 1 });
    const held = await take(fake);
    const waiting = follow(fake.pool.acquire());
    await fake.runtime.advance(100);
    fake.pool.release(held);
    await fake.runtime.settle();
    fake.pool.release(waiting.value!);
    for (let i = 0; i < 8; i++) await fake.pool.use(() => {});
    const { waitMs, acquired } = fake.pool.stats();
    expect(acquired).toBe(10);
    expect(waitMs.p50).toBe(0);
    expect(waitMs.max).toBe(100);
    expect(waitMs.p99).toBe(100);
  });

  it('tell where each setting came from', () => {
    const fake = fakePool({ maxConnections: 3 });
    expect(fake.pool.stats().policy.maxConnections).toMatchObject({ value: 3, source: { from: 'argument' } });
    expect(fake.pool.stats().policy.keepaliveMs).toMatchObject({ source: { from: 'default' } });
  });
});

describe('connections()', () => {
  it('lists each one with its backend, state, age, idle time, uses and checks', async () => {
    const fake = fakePool();
    await warm(fake, 2);
    await fake.runtime.advance(1_000);
    await take(fake);
    expect(fake.pool.connections()).toEqual([
      {
        id: 1,
        processId: 1001,
        state: 'idle',
        ageMs: 1_000,
        idleMs: 1_000,
        heldMs: 0,
        uses: 1,
        checks: 0,
        resets: 0,
        status: 'idle',
      },
      {
        id: 2,
        processId: 1002,
        state: 'used',
        ageMs: 1_000,
        idleMs: 0,
        heldMs: 0,
        uses: 2,
        checks: 1,
        resets: 0,
        status: 'idle',
      },
    ]);
  });

  it('counts the resets of a connection that came back in a transaction', async () => {
    const fake = fakePool();
    const connection = await take(fake);
    connection.status = 'transaction';
    fake.pool.release(connection);
    await fake.runtime.settle();
    expect(fake.pool.connections()).toMatchObject([{ resets: 1, status: 'idle' }]);
  });

  it('has the stack of the holder while it is used, where stacks are captured', async () => {
    const fake = fakePool({ leakAfterMs: 60_000 });
    const connection = await take(fake);
    expect(fake.pool.connections()[0]!.stack).toContain('fakePool.ts');
    fake.pool.release(connection);
    expect(fake.pool.connections()[0]).not.toHaveProperty('stack');
  });

  it('goes with the event of its end, also when nothing is left of the connection', async () => {
    const fake = fakePool();
    const ends: unknown[] = [];
    fake.pool.on('closing', (_connection, reason, _cause, { id, uses, ageMs }) =>
      ends.push({ reason, id, uses, ageMs }),
    );
    const [first, second] = await warm(fake, 2);
    await fake.runtime.advance(1_000);
    first!.lose();
    await fake.runtime.settle();
    fake.pool.release(await take(fake));
    await fake.pool.drain();
    expect(second!.ended).toBe('closed');
    expect(ends).toEqual([
      { reason: 'broken', id: 1, uses: 1, ageMs: 1_000 },
      { reason: 'closing', id: 2, uses: 2, ageMs: 1_000 },
    ]);
  });
});

describe('a listener', () => {
  it('that throws does not disturb the pool, and surfaces as an uncaught exception', async () => {
    const fake = fakePool();
    const surfaced = new Promise<Error>((resolve) => {
      const listeners = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      process.once('uncaughtException', (error) => {
        for (const listener of listeners) process.on('uncaughtException', listener);
        resolve(error);
      });
    });
    fake.pool.on('opened', () => {
      throw new Error('a mistake in a listener');
    });
    await expect(take(fake)).resolves.toBeDefined();
    expect((await surfaced).message).toBe('a mistake in a listener');
  });

  it('may call the pool from within an event', async () => {
    const fake = fakePool({ maxConnections: 1, maxUses: 1 });
    const nested: unknown[] = [];
    fake.pool.on('closing', () => nested.push(follow(fake.pool.acquire())));
    fake.pool.release(await take(fake));
    await fake.runtime.settle();
    expect(nested).toHaveLength(1);
    expect(nested[0]).toMatchObject({ value: { id: 2 } });
  });
});
