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

const seconds = (...connections: number[]) => ({
  samples: connections.map((count, at) => ({ at, connections: count })),
  lifelines: [],
});

test.each([
  ['one above the budget for each process that connects for the first time', seconds(0, 48, 44, 40, 40), []],
  ['one more than that', seconds(0, 49, 40, 40, 40), ['49 connections at most (≤ 48']],
  ['above the budget at the end', seconds(0, 40, 40, 40, 41), ['41 connections at the end (≤ 40']],
])('with a budget: %s', (_, trace, texts) => {
  const doubled = { contender: 'tenure-deployment', limit: 160 } as const;
  for (const contender of [{}, doubled])
    expect(broken({ ...contender, budget: 40, trace })).toEqual(texts.map((text) => expect.stringContaining(text)));
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
