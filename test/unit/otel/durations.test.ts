import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Durations } from '../../../packages/otel/src/durations.js';

function taken(durationsMs: readonly number[]) {
  const durations = new Durations();
  for (const duration of durationsMs) durations.add(duration);
  return durations.take();
}

const BOUNDS_MS = [1, 5, 10, 50, 100, 500, 1_000, 5_000, 10_000];
const anyMs = fc.double({ min: 0, max: 1e7, noNaN: true });

it('keeps the number and the sum of all durations', () => {
  fc.assert(
    fc.property(fc.array(anyMs, { maxLength: 200 }), (durationsMs) => {
      const all = taken(durationsMs);
      expect(all.reduce((sum, { count }) => sum + count, 0)).toBe(durationsMs.length);
      const sum = all.reduce((total, { meanMs, count }) => total + meanMs * count, 0);
      expect(sum).toBeCloseTo(
        durationsMs.reduce((total, one) => total + one, 0),
        2,
      );
    }),
  );
});

it('keeps each duration between the bounds between which it is', () => {
  fc.assert(
    fc.property(anyMs, anyMs, (one, other) => {
      const between = (ms: number) => BOUNDS_MS.filter((bound) => ms >= bound).length;
      const expected = [one, other].map(between).sort();
      const all = taken([one, other]).flatMap(({ meanMs, count }) =>
        Array.from({ length: count }, () => between(meanMs)),
      );
      expect(all.sort()).toEqual(expected);
    }),
  );
});

it.each([0, 0.000_4, 1, 1.04, 5, 99, 1_000, 12_345, 1e9])('has %s ms as it is, where it is alone', (durationMs) => {
  expect(taken([durationMs])).toEqual([{ meanMs: durationMs, count: 1 }]);
});

it('gives each duration out once', () => {
  const durations = new Durations();
  durations.add(3);
  expect(durations.take()).toHaveLength(1);
  expect(durations.take()).toEqual([]);
});
