import { expect, test } from 'vitest';
import { mostWithin } from '../../src/ageing/mostWithin.js';

test('the fullest window counts, wherever it begins', () => {
  expect(mostWithin([0, 90, 110, 180, 400], 100)).toBe(3);
});

test('two moments a whole window apart are not in one', () => {
  expect(mostWithin([0, 100], 100)).toBe(1);
  expect(mostWithin([], 100)).toBe(0);
});
