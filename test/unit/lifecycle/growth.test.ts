import { describe, expect, it } from 'vitest';
import { FIRST_EPOCH } from '../../../packages/core/src/lifecycle/freshness.js';
import {
  afterSetback,
  afterSuccess,
  atOnceNow,
  type Growth,
  lateAfterMs,
  NO_GROWTH,
} from '../../../packages/core/src/lifecycle/growth.js';

const succeed = (growth: Growth, tookMs: number, times = 1): Growth => {
  let after = growth;
  for (let time = 0; time < times; time++) after = afterSuccess(after, tookMs, FIRST_EPOCH, 0);
  return after;
};

describe('connects at once', () => {
  it('are one at first, then a few, and double in the time of a connect', () => {
    let growth = NO_GROWTH;
    const rounds = [0, 1, 2, 3, 4].map(() => {
      const atOnce = atOnceNow(growth, FIRST_EPOCH, 0);
      growth = succeed(growth, 80, atOnce);
      return atOnce;
    });
    expect(rounds).toEqual([1, 3, 6, 12, 24]);
  });

  it('are one again after a failure', () => {
    expect(atOnceNow(afterSetback(succeed(NO_GROWTH, 80, 15)), FIRST_EPOCH, 0)).toBe(1);
  });

  it('are few after a loss that calls the server into question', () => {
    const growth = succeed(NO_GROWTH, 80, 15);
    const next = { ...FIRST_EPOCH, number: 1 };
    expect(atOnceNow(growth, next, 0)).toBe(3);
    expect(atOnceNow(NO_GROWTH, next, 0)).toBe(1);
    expect(afterSuccess(growth, 80, next, 0)).toMatchObject({ atOnce: 4, epoch: 1 });
  });

  it('are few after a quiet time, in which the server may have gone down', () => {
    const growth = succeed(NO_GROWTH, 80, 15);
    expect(atOnceNow(growth, FIRST_EPOCH, 1_000)).toBe(17);
    expect(atOnceNow(growth, FIRST_EPOCH, 1_001)).toBe(3);
    expect(atOnceNow(NO_GROWTH, FIRST_EPOCH, 1_001)).toBe(1);
    // If each takes two seconds, three seconds are no quiet time.
    expect(atOnceNow(succeed(NO_GROWTH, 2_000, 15), FIRST_EPOCH, 3_000)).toBe(17);
  });

  it('are half as many when the server slows down, and never none', () => {
    const growth = succeed(NO_GROWTH, 80, 15);
    expect(succeed(growth, 161).atOnce).toBe(8);
    expect(succeed(succeed(NO_GROWTH, 80), 1_000).atOnce).toBe(1);
  });

  it('are not halved by what this process itself may have caused', () => {
    expect(succeed(succeed(NO_GROWTH, 5, 3), 99).atOnce).toBe(6);
  });
});

describe('a connect', () => {
  it.each([
    { took: [], want: 1_000 },
    { took: [5, 5, 5], want: 400 },
    { took: [150], want: 600 },
    { took: [900], want: 1_000 },
  ])('is late after $want ms when the others took $took', ({ took, want }) => {
    expect(lateAfterMs(took.reduce((growth, ms) => succeed(growth, ms), NO_GROWTH))).toBe(want);
  });

  it('is late by what connects take now, not by what they once took', () => {
    const slower = succeed(succeed(NO_GROWTH, 10, 20), 200, 20);
    expect(lateAfterMs(slower)).toBeGreaterThan(790);
  });
});
