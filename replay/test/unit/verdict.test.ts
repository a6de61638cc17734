import { expect, test } from 'vitest';
import { throughputRatio } from '../../src/figures/ratio.js';
import { verdicts } from '../../src/figures/verdict.js';
import { summaryOf, twice } from './support.js';

const incident = summaryOf({
  contender: 'per-request',
  served: 80,
  limit: null,
  load: { answered: 80, failed: 1_920, perSecond: 16 },
});

test('has one line for each contender: what it held, for how many transactions, and what it answered', () => {
  const stock = twice({ contender: 'stock', load: { perSecond: 2_500 } });
  expect(verdicts([incident, stock, twice()], 100)).toEqual([
    'Knex per request: up to 80 of 100 connections, 1 transaction each. It answered 4.0 % of 2,000 requests.',
    'Knex 8 × 10: up to 80 of 100 connections, 100 transactions each. It answered all 16,000 requests.',
    'Tenure 8 × 10: up to 80 of 100 connections, 100 transactions each. It answered all 16,000 requests, at 0.80 times the requests/s of Knex 8 × 10.',
  ]);
});

test('of sign-ups it has what errors cost', () => {
  const stock = twice({ contender: 'prisma', opened: 400, load: { answered: 950, timedOut: 50, perSecond: 200 } });
  const ours = twice({ contender: 'prisma-tenure', load: { perSecond: 1_700 } });
  expect(verdicts([twice(), stock, ours], 100)).toEqual([
    'Tenure 8 × 10: up to 80 of 100 connections, 100 transactions each. It answered all 16,000 requests.',
    'Prisma 8 × 10: 400 connections opened per 1,000 requests, of which 30 % violate a unique key. It answered 95.0 % of 2,000 requests.',
    'Prisma + Tenure 8 × 10: 10 connections opened per 1,000 requests, of which 30 % violate a unique key. ' +
      'It answered all 16,000 requests, at 8.50 times the requests/s of Prisma 8 × 10.',
  ]);
});

test('says the budget, and how many processes had it; and what was refused', () => {
  const stock = summaryOf({ contender: 'stock-deployment', refused: 63 });
  const ours = summaryOf({ contender: 'tenure-deployment', limit: 160, budget: 40 });
  expect(verdicts([summaryOf({ budget: 40 }), stock, ours], 100)).toEqual([
    'Tenure 8 × 10, budget 40: up to 80 of 100 connections, 100 transactions each. It answered all 8,000 requests.',
    'Knex 8, then 16 × 10: up to 80 of 100 connections, 63 connects refused, 100 transactions each. It answered all 8,000 requests.',
    'Tenure 8, then 16 × 10, budget 40: up to 80 of 100 connections, 100 transactions each. It answered all 8,000 requests.',
  ]);
});

test('does not flatter Tenure', () => {
  const bad = summaryOf({ limit: 160, load: { answered: 10, failed: 5, timedOut: 5 } });
  expect(verdicts([bad], 100)).toEqual([
    'Tenure 8 × 20: up to 80 of 100 connections, 100 transactions each. It answered 50.0 % of 20 requests.',
  ]);
});

test('compares only with what ran and answered something', () => {
  expect(throughputRatio([twice()], 'orders')).toBeNull();
  expect(throughputRatio([twice(), twice({ contender: 'stock', load: { perSecond: 0 } })], 'orders')).toBeNull();
  expect(throughputRatio([twice(), twice({ contender: 'stock', load: { perSecond: 1_000 } })], 'orders')).toBe(2);
});

test('compares nothing that ran only once', () => {
  const stock = { contender: 'stock', load: { perSecond: 1_000 } } as const;
  expect(throughputRatio([summaryOf(), twice(stock)], 'orders')).toBeNull();
  expect(throughputRatio([twice(), summaryOf(stock)], 'orders')).toBeNull();
});
