import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Histogram } from '../../../packages/core/src/pool/stats.js';

/** Shorter ones are counted by the microsecond, which is all the precision there is. */
const PRECISION_MS = 0.001;

function exactQuantile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

describe('the histogram', () => {
  const duration = fc.oneof(
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.double({ min: 0, max: 100, noNaN: true }),
    fc.double({ min: 0, max: 2_000_000, noNaN: true }),
  );

  it('is never below the exact quantile, and above it by an eighth at most', () => {
    const share = fc.constantFrom(0.01, 0.5, 0.9, 0.99, 1);
    fc.assert(
      fc.property(
        fc.array(duration, { minLength: 1, maxLength: 60 }),
        fc.nat(40),
        share,
        (durations, others, share) => {
          const histogram = new Histogram();
          for (const one of durations) histogram.add(one);
          const all = [...Array<number>(others).fill(0), ...durations].sort((a, b) => a - b);
          const exact = exactQuantile(all, share);
          const found = histogram.quantile(share, all.length);
          expect(found).toBeGreaterThanOrEqual(exact === 0 ? 0 : exact - 1e-9);
          expect(found).toBeLessThanOrEqual(exact * 1.125 + PRECISION_MS);
          expect(found).toBeLessThanOrEqual(histogram.longest);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('knows the longest exactly, and nothing before the first', () => {
    const histogram = new Histogram();
    expect([histogram.longest, histogram.quantile(0.5, 0), histogram.quantile(0.99, 10)]).toEqual([0, 0, 0]);
    histogram.add(12.345);
    histogram.add(3);
    expect([histogram.longest, histogram.quantile(1, 2)]).toEqual([12.345, 12.345]);
  });

  it('takes durations longer than it has buckets for as the longest that it has', () => {
    const histogram = new Histogram();
    for (const days of [1, 30, 400]) histogram.add(days * 86_400_000);
    expect(histogram.longest).toBe(400 * 86_400_000);
    expect(histogram.quantile(0.5, 3)).toBeGreaterThan(2_000_000);
  });

  it('leaves out what an earlier copy has', () => {
    const histogram = new Histogram();
    for (let i = 0; i < 100; i++) histogram.add(1_000);
    const before = histogram.copy();
    for (let i = 0; i < 9; i++) histogram.add(1);
    histogram.add(50);
    expect(histogram.quantile(0.5, 10, before)).toBeCloseTo(1, 0);
    expect(histogram.quantile(0.99, 10, before)).toBeGreaterThanOrEqual(50);
    expect(histogram.quantile(0.99, 10, before)).toBeLessThan(57);
    expect(before.quantile(0.5, 100)).toBe(1_000);
  });
});
