import { expect, test } from 'vitest';
import { checkTenure } from '../../src/figures/checks.js';
import { type passOf, summaryOf } from './support.js';

function broken(...given: Parameters<typeof passOf>): string[] {
  return checkTenure([summaryOf(...given)])
    .filter(({ passed }) => !passed)
    .map(({ text }) => text);
}

test('Tenure as it should be keeps every promise', () => {
  expect(broken()).toEqual([]);
});

test.each([
  ['one failed request', { load: { failed: 1 } }, '1 requests failed'],
  ['one timed out', { load: { timedOut: 1 } }, '1 requests timed out'],
  ['one connection too many', { limit: 79 }, '80 connections at most (≤ 79'],
  ['connections that are not reused', { served: 3_992 }, '49.9 transactions per connection'],
  ['nothing answered', { load: { answered: 0 } }, '0 requests answered'],
])('%s breaks one', (_, given, text) => {
  expect(broken(given)).toEqual([expect.stringContaining(text)]);
});

test('without Tenure nothing was promised', () => {
  expect(checkTenure([summaryOf({ contender: 'stock' })])).toEqual([]);
});
