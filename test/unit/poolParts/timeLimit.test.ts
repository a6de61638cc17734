import { describe, expect, it } from 'vitest';
import { TimeLimitError, withinLimit } from '../../../packages/core/src/pool/timeLimit.js';
import { follow } from '../../support/fakePool.js';
import { FakeRuntime } from '../../support/fakeRuntime.js';

const limit = { what: 'A check', ms: 100 };

/** An operation that ends when the test says so, and the signal it was given. */
function operation<T>() {
  let signal: AbortSignal | undefined;
  let resolve: (value: T) => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const run = (given: AbortSignal) => {
    signal = given;
    return new Promise<T>((onValue, onError) => {
      resolve = onValue;
      reject = onError;
    });
  };
  return { run, end: (value: T) => resolve(value), fail: (error: unknown) => reject(error), signal: () => signal };
}

describe('a time limit', () => {
  it('passes on what the operation ends with, and leaves no timer', async () => {
    const runtime = new FakeRuntime();
    await expect(withinLimit(runtime, limit, async () => 7)).resolves.toBe(7);
    const failure = new Error('the server says no');
    await expect(withinLimit(runtime, limit, () => Promise.reject(failure))).rejects.toBe(failure);
    expect(runtime.timers).toBe(0);
  });

  it('takes an operation that throws for one that rejects', async () => {
    const failure = new Error('not even a promise');
    const run = () => {
      throw failure;
    };
    await expect(withinLimit(new FakeRuntime(), limit, run)).rejects.toBe(failure);
  });

  it('rejects when the time is up, names operation and limit, and aborts the signal with the same error', async () => {
    const runtime = new FakeRuntime();
    const { run, signal } = operation<number>();
    const limited = follow(withinLimit(runtime, limit, run));
    await runtime.advance(99);
    expect(limited.settled).toBe(false);
    await runtime.advance(1);
    expect(limited.error).toBeInstanceOf(TimeLimitError);
    expect((limited.error as Error).message).toBe('A check took longer than 100 ms');
    expect(signal()?.reason).toBe(limited.error);
  });

  it.each([1, 2])(
    'on a blocked event loop takes an answer that is read before turn %i after the timer',
    async (turn) => {
      const runtime = new FakeRuntime();
      const { run, end, signal } = operation<string>();
      const nextTurn = runtime.nextTurn.bind(runtime);
      let turns = 0;
      runtime.nextTurn = (then) => {
        if (++turns === turn) end('the answer');
        nextTurn(then);
      };
      const limited = follow(withinLimit(runtime, limit, run));
      await runtime.block(5_000);
      expect(turns).toBe(2);
      expect(limited.value).toBe('the answer');
      expect(signal()?.aborted).toBe(false);
    },
  );

  it('with no limit sets no timer', async () => {
    const runtime = new FakeRuntime();
    const { run, end } = operation<number>();
    const limited = follow(withinLimit(runtime, { what: 'Connecting', ms: Number.POSITIVE_INFINITY }, run));
    expect(runtime.timers).toBe(0);
    await runtime.advance(1e9);
    end(1);
    await runtime.settle();
    expect(limited.value).toBe(1);
  });

  it('gives up at once when it is cancelled, with the reason, and leaves no timer', async () => {
    const runtime = new FakeRuntime();
    const cancelled = new AbortController();
    const { run, signal, end } = operation<number>();
    const limited = follow(withinLimit(runtime, { ...limit, cancelled: cancelled.signal }, run));
    const reason = new Error('the pool closes');
    cancelled.abort(reason);
    await runtime.settle();
    expect([limited.error, signal()?.reason, runtime.timers]).toEqual([reason, reason, 0]);
    end(1);
    await runtime.settle();
    expect(limited.error).toBe(reason);
  });

  it('keeps no listener on the signal that could cancel it', async () => {
    const counts = { added: 0, removed: 0 };
    const { signal } = new AbortController();
    const spy: Pick<AbortSignal, 'addEventListener' | 'removeEventListener' | 'reason'> = {
      reason: undefined,
      addEventListener: () => void counts.added++,
      removeEventListener: () => void counts.removed++,
    };
    const cancelled = Object.assign(Object.create(signal) as AbortSignal, {
      addEventListener: spy.addEventListener,
      removeEventListener: spy.removeEventListener,
    });
    await withinLimit(new FakeRuntime(), { ...limit, cancelled }, async () => 1);
    expect(counts).toEqual({ added: 1, removed: 1 });
  });
});
