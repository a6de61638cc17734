import { describe, expect, it } from 'vitest';
import { Alarm } from '../../../packages/core/src/pool/clock.js';
import { FakeRuntime } from '../../support/fakeRuntime.js';

function alarm(next: (now: number) => number = () => Number.POSITIVE_INFINITY) {
  const runtime = new FakeRuntime();
  const rings: number[] = [];
  const bell = new Alarm(runtime);
  bell.onRing(() => {
    rings.push(runtime.time);
    bell.setFor(next(runtime.time), runtime.time);
  });
  return { runtime, rings, bell };
}

describe('an alarm', () => {
  it('rings once, at its moment, and is then free for another', async () => {
    const { runtime, rings, bell } = alarm();
    bell.setFor(100, 0);
    expect(bell.dueAt).toBe(100);
    await runtime.advance(1_000);
    expect(rings).toEqual([100]);
    expect(bell.dueAt).toBe(Number.POSITIVE_INFINITY);
    bell.setFor(1_500, runtime.time);
    await runtime.advance(1_000);
    expect(rings).toEqual([100, 1_500]);
  });

  it('rings for the soonest of many moments, with one timer', async () => {
    const { runtime, rings, bell } = alarm();
    for (const moment of [300, 100, 200, 100]) bell.setFor(moment, 0);
    expect(runtime.timers).toBe(1);
    await runtime.advance(1_000);
    expect(rings).toEqual([100]);
  });

  it('may be set anew while it rings', async () => {
    const { runtime, rings, bell } = alarm((now) => (now < 300 ? now + 100 : Number.POSITIVE_INFINITY));
    bell.setFor(100, 0);
    await runtime.advance(1_000);
    expect(rings).toEqual([100, 200, 300]);
  });

  it('rings at once for a moment that has passed, and never for Infinity', async () => {
    const { runtime, rings, bell } = alarm();
    await runtime.advance(50);
    bell.setFor(Number.POSITIVE_INFINITY, 50);
    expect(runtime.timers).toBe(0);
    bell.setFor(10, 50);
    await runtime.advance(0);
    expect(rings).toEqual([50]);
  });

  it('does not ring once it is cancelled, and can be set again', async () => {
    const { runtime, rings, bell } = alarm();
    bell.setFor(100, 0);
    bell.cancel();
    expect([runtime.timers, bell.dueAt]).toEqual([0, Number.POSITIVE_INFINITY]);
    bell.setFor(200, 0);
    await runtime.advance(300);
    expect(rings).toEqual([200]);
  });

  it('holds the process only while it is told to, also across a change of the moment', () => {
    const { runtime, bell } = alarm();
    bell.setFor(100, 0);
    expect(runtime.holdsProcess).toBe(false);
    bell.hold(true);
    expect(runtime.holdsProcess).toBe(true);
    bell.setFor(50, 0);
    expect(runtime.holdsProcess).toBe(true);
    bell.hold(false);
    expect(runtime.holdsProcess).toBe(false);
    bell.hold(true);
    bell.cancel();
    expect(runtime.holdsProcess).toBe(false);
  });
});
