import { expect, test } from 'vitest';
import { median, quantile } from '../../src/figures/quantile.js';

test('a quantile is the nearest rank', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
  expect(quantile(hundred, 0.5)).toBe(50);
  expect(quantile(hundred, 0.99)).toBe(99);
  expect(quantile(hundred, 1)).toBe(100);
  expect(quantile([7], 0.99)).toBe(7);
  expect(quantile([1, 2, 3], 0.5)).toBe(2);
});

test('of nothing there is no quantile and no median', () => {
  expect(quantile([], 0.5)).toBeNull();
  expect(median([])).toBeNull();
  expect(median([null])).toBeNull();
});

test('a median is the middle, or the mean of the two in the middle, of what is known', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([null, 5, 1, null, 3])).toBe(3);
});
