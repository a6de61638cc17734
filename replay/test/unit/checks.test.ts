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

test.each(['stock', 'prisma'] as const)('of %s nothing was promised', (contender) => {
  expect(checkTenure([summaryOf({ contender })])).toEqual([]);
});

test.each([
  ['as it should be', {}, []],
  ['one connection opened again', { opened: 81 }, [expect.stringContaining('81 connections opened in all')]],
  ['no key violated', { load: { conflicts: 0 } }, [expect.stringContaining('0 unique keys violated')]],
])('Prisma and Tenure, %s', (_, { load, ...given }: Parameters<typeof passOf>[0] & object, texts) => {
  const pass = { contender: 'prisma-tenure', load: { conflicts: 2_400, ...load }, ...given } as const;
  expect(broken(pass)).toEqual(texts);
});
