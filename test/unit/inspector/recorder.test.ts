import { channel } from 'node:diagnostics_channel';
import { describe, expect, it, vi } from 'vitest';
import type { PolicyOverrides } from '../../../packages/core/src/policy/policy.js';
import { type NamedPool, Recorder } from '../../../packages/inspector/src/recorder.js';
import { fakePool, follow, take, warm } from '../../support/fakePool.js';

const EVENTS = ['closing', 'openFailed', 'rollback'] as const;

/** A recorder in the pool's own fake time. */
function recorded(policy: PolicyOverrides = {}) {
  const fake = fakePool(policy);
  const listeners = countListeners(fake.pool);
  const timers: { every: number; run: () => void }[] = [];
  const time = {
    now: () => fake.runtime.time,
    every: (every: number, run: () => void) => {
      const timer = { every, run };
      timers.push(timer);
      return () => void timers.splice(timers.indexOf(timer), 1);
    },
  };
  const pools: NamedPool[] = [{ name: 'orders', view: fake.pool }];
  const recorder = new Recorder(() => pools, time);
  /** Time passes, in the steps of the recorder's timer. */
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 250) {
      await fake.runtime.advance(250);
      for (const { run } of timers) run();
    }
  };
  const reader = () => {
    let cursor = '';
    return () => {
      const update = recorder.read(cursor, cursor === '' ? undefined : 1);
      cursor = update.cursor;
      return update;
    };
  };
  return { ...fake, pools, recorder, pass, timers, listeners, read: reader(), reader };
}

function countListeners(pool: ReturnType<typeof fakePool>['pool']): () => number {
  let count = 0;
  const { on, off } = pool;
  Object.assign(pool, {
    on: (...args: Parameters<typeof on>) => {
      count++;
      return on.apply(pool, args);
    },
    off: (...args: Parameters<typeof off>) => {
      count--;
      return off.apply(pool, args);
    },
  });
  return () => count;
}

describe('without a reader', () => {
  it('there is no listener, no timer and no data', async () => {
    const { listeners, timers, recorder } = recorded();
    expect([listeners(), timers.length, recorder.isRecording]).toEqual([0, 0, false]);
  });

  it('all of them go ten seconds after the last poll, and come back with the next', async () => {
    const { listeners, timers, recorder, read, pass } = recorded();
    read();
    expect([listeners(), timers.length, recorder.isRecording]).toEqual([EVENTS.length, 1, true]);
    await pass(9_000);
    read();
    await pass(10_000);
    expect(recorder.isRecording).toBe(true);
    await pass(500);
    expect([listeners(), timers.length, recorder.isRecording]).toEqual([0, 0, false]);
    expect(read().isNew).toBe(true);
    expect(listeners()).toBe(EVENTS.length);
  });

  it('a pool that is closed is not held', async () => {
    const { pools, listeners, read, pass } = recorded();
    expect(read().pools).toHaveLength(1);
    pools.length = 0;
    await pass(250);
    expect(read()).toMatchObject({ pools: [], pool: null });
    expect(listeners()).toBe(0);
  });
});

describe('a reader', () => {
  it('gets its first data at once, and then only what is new', async () => {
    const { read, pass } = recorded();
    const first = read();
    expect(first).toMatchObject({ isNew: true, pool: { figures: [{ t: 0, used: 0, max: 10 }] } });
    expect(first.pool!.policy!.maxConnections.value).toBe(10);
    await pass(1_000);
    const next = read();
    expect(next.isNew).toBe(false);
    expect(next.pool!.figures.map(({ t }) => t)).toEqual([250, 500, 750, 1_000]);
    expect(next.pool!.rates.map(({ t }) => t)).toEqual([1_000]);
    expect(next.pool).not.toHaveProperty('policy');
    expect(read().pool!.figures).toEqual([]);
  });

  it('misses nothing that another reader gets', async () => {
    const { read, reader, pass } = recorded();
    const other = reader();
    read();
    other();
    await pass(250);
    expect(read().pool!.figures).toHaveLength(1);
    await pass(250);
    expect(other().pool!.figures).toHaveLength(2);
  });

  it('gets the policy again after a resize', async () => {
    const { pool, read, pass } = recorded();
    read();
    pool.resize({ maxConnections: 3 });
    await pass(250);
    expect(read().pool!.policy!.maxConnections.value).toBe(3);
  });

  it('gets at most five minutes, however long it stays', async () => {
    const { read, reader, pass, pool } = recorded({ maxUses: 1 });
    const stay = reader();
    for (let minute = 0; minute < 8; minute++) {
      for (let i = 0; i < 6; i++) {
        stay();
        await pool.use(() => {});
        await pass(10_000);
      }
    }
    const { pool: all } = read();
    expect(all!.figures.length).toBeLessThanOrEqual(1_200);
    expect(all!.rates.length).toBeLessThanOrEqual(300);
    expect(all!.lanes.length).toBeLessThanOrEqual(31);
  });
});

describe('the life of a connection', () => {
  it('has its birth, its use, its rest and its end with the reason', async () => {
    const { read, pass, pool, ...fake } = recorded({ idleTimeoutMs: 2_000 });
    read();
    const connection = await take({ pool, ...fake });
    await pass(500);
    pool.release(connection);
    await pass(2_500);
    const [lane, ...others] = read().pool!.lanes;
    expect(others).toEqual([]);
    expect(lane).toMatchObject({ id: 1, pid: 1001, born: 0, uses: 1, end: { reason: 'idle' } });
    expect(lane!.phases).toEqual([
      [250, 'u'],
      [500, 'h'],
      [750, 'i'],
    ]);
  });

  it('that was open before has no past, and no use that was not seen', async () => {
    const { read, pass, ...fake } = recorded();
    await warm(fake, 1);
    await fake.runtime.advance(5_000);
    expect(read().pool!.lanes).toMatchObject([{ born: -5_000, uses: 1, phases: [[0, 'i']] }]);
  });

  it('shorter than the time between two looks is there, with its uses', async () => {
    const { read, pass, ...fake } = recorded({ maxUses: 1 });
    read();
    for (let i = 0; i < 3; i++) await fake.pool.use(() => {});
    await pass(250);
    const ends = read().pool!.lanes.map(({ id, uses, end }) => [id, uses, end?.reason]);
    expect(ends).toEqual([
      [1, 1, 'max-uses'],
      [2, 1, 'max-uses'],
      [3, 1, 'max-uses'],
    ]);
  });

  it('has its checks and its resets', async () => {
    const { read, pass, pool, ...fake } = recorded();
    await warm({ pool, ...fake }, 1);
    read();
    await pass(1_000);
    const connection = await take({ pool, ...fake });
    connection.status = 'transaction';
    await pass(250);
    pool.release(connection);
    await pass(250);
    const { lanes, log } = read().pool!;
    expect(lanes[0]!.marks).toEqual([
      [1_250, 'c'],
      [1_500, 'r'],
    ]);
    expect(log).toMatchObject([{ kind: 'rollback' }]);
  });

  it('that never began ends as a connect that failed', async () => {
    const { read, pass, pool, server } = recorded();
    server.connecting = () => ({ afterMs: 400, error: Object.assign(new Error('no'), { code: 'ECONNREFUSED' }) });
    read();
    const waiting = follow(pool.acquire({ timeoutMs: 600 }));
    await pass(1_000);
    const { lanes, log } = read().pool!;
    expect(waiting.settled).toBe(true);
    expect(lanes[0]).toMatchObject({ end: { reason: 'connect failed' }, phases: [[250, 'o']] });
    expect(log[0]).toMatchObject({ kind: 'failed', text: 'connect (ECONNREFUSED)' });
  });
});

describe('what is shown', () => {
  it('has the holders with their stacks, longest first, and no stacks elsewhere', async () => {
    const { read, pass, pool, ...fake } = recorded({ leakAfterMs: 60_000 });
    read();
    await take({ pool, ...fake });
    await pass(1_000);
    await take({ pool, ...fake });
    await pass(500);
    const { holders, connections } = read().pool!;
    expect(holders).toMatchObject([{ id: 1, heldMs: 1_500, stack: expect.stringContaining('fakePool.ts') }]);
    expect(connections).toHaveLength(2);
    expect(JSON.stringify(connections)).not.toContain('fakePool');
  });

  it('has the waits of each second by themselves', async () => {
    const { read, pass, pool, ...fake } = recorded({ maxConnections: 1 });
    read();
    const held = await take({ pool, ...fake });
    const waiting = follow(pool.acquire());
    await pass(500);
    pool.release(held);
    await pass(500);
    pool.release(waiting.value!);
    await pool.use(() => {});
    await pass(1_000);
    const { rates } = read().pool!;
    expect(rates[0]!.waits!.p99).toBe(500);
    expect(rates[0]).toMatchObject({ acquired: 2, opened: 1, forMs: 1_000 });
    expect(rates[1]).toMatchObject({ acquired: 1, opened: 0, waits: { p99: 0 } });
  });

  it('has codes of errors, and not their messages, which may name what is secret', async () => {
    const { read, pass, pool, server } = recorded();
    server.connecting = () => ({
      error: Object.assign(new Error('password of ada@db.internal'), { code: 'a secret code' }),
    });
    read();
    follow(pool.acquire({ timeoutMs: 100 }));
    await pass(500);
    const text = JSON.stringify(read());
    expect(text).toContain('"connect"');
    expect(text).not.toMatch(/ada|internal|secret/);
  });

  it('names pools apart, and records fifty of them', async () => {
    const { pools, read } = recorded();
    for (let i = 0; i < 60; i++) pools.push({ name: i === 0 ? 'orders' : undefined, view: fakePool().pool });
    const { pools: shown, unrecorded } = read();
    expect(shown.slice(0, 3).map(({ name }) => name)).toEqual(['orders', 'orders (2)', 'pool 3']);
    expect([shown.length, unrecorded]).toEqual([50, 11]);
  });
});

describe('a warning of a pool', () => {
  const warning = { code: 'TENURE_LEAK' as const, message: 'A connection of db.example has been held for 60 s.' };

  it('is in its log by its code, and not in that of another pool', async () => {
    const orders = recorded({ name: 'orders' });
    const { pool: other } = fakePool({ name: 'billing' });
    orders.read();
    other.warn(warning);
    orders.pool.warn(warning);
    await orders.pass(250);
    expect(orders.read().pool?.log).toEqual([expect.objectContaining({ kind: 'warning', text: 'TENURE_LEAK' })]);
  });

  it('has no subscriber once no page polls', async () => {
    const warnings = channel('tenure:pool:warning');
    const subscribed = vi.spyOn(warnings, 'subscribe');
    const unsubscribed = vi.spyOn(warnings, 'unsubscribe');
    const { read, pass } = recorded();
    read();
    expect(subscribed).toHaveBeenCalledOnce();
    await pass(10_500);
    expect(unsubscribed.mock.calls).toEqual(subscribed.mock.calls);
  });
});
