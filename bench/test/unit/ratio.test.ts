import { expect, test } from 'vitest';
import { median } from '../../src/figures/median.js';
import { atLeast, atMost, ratioOf, targetLine, times } from '../../src/figures/ratio.js';

test('a median of an even number is the mean of the two in the middle', () => {
  expect([median([3, 1, 2]), median([4, 1, 3, 2])]).toEqual([2, 2.5]);
  expect(median([])).toBeNaN();
});

test('a ratio is the median of the ratios round by round, not the ratio of the medians', () => {
  expect(ratioOf([10, 20, 90], [1, 10, 30])).toBe(3);
});

test('a target at its very bound is reached, one that could not be measured is not', () => {
  expect([atLeast('a', 2, 2), atMost('a', 2, 2)].map(({ reached }) => reached)).toEqual([true, true]);
  expect([atLeast('a', Number.NaN, 2), atMost('a', Number.NaN, 2)].map(({ reached }) => reached)).toEqual([
    false,
    false,
  ]);
  expect(targetLine(atMost('heap', 0.4, 1 / 3))).toBe('✗ MISSED: heap: 0.400 (the target is ≤ 0.33)');
});

test('a ratio that cannot be had is not a number of times', () => {
  expect([times(1.234), times(Number.NaN)]).toEqual(['1.23 x', 'n/a']);
});
