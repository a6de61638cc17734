import { expect, test } from 'vitest';
import { milliseconds, percent, rough, seconds } from '../../src/figures/format.js';

test('a share is never rounded to none or to all', () => {
  expect(percent(0, 5_000)).toBe('0 %');
  expect(percent(1, 5_000)).toBe('< 0.1 %');
  expect(percent(25, 200)).toBe('12.5 %');
  expect(percent(4_999, 5_000)).toBe('> 99.9 %');
  expect(percent(5_000, 5_000)).toBe('100 %');
  expect(percent(0, 0)).toBe('n/a');
});

test('small figures keep a decimal, large ones do not', () => {
  expect(rough(1)).toBe('1');
  expect(rough(1.44)).toBe('1.4');
  expect(rough(2_345.6)).toBe('2,346');
});

test('what cannot be had is said to be so', () => {
  expect(milliseconds(null)).toBe('n/a');
  expect(seconds(null)).toBe('n/a');
  expect(seconds(1_250)).toBe('1.3 s');
});
