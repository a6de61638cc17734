import { expect, test } from 'vitest';
import { throughputRatio } from '../../src/figures/ratio.js';
import { verdict } from '../../src/figures/verdict.js';
import { summaryOf, twice } from './support.js';

const incident = summaryOf({
  contender: 'per-request',
  served: 80,
  limit: null,
  load: { answered: 80, failed: 1_920, perSecond: 16 },
});

test('says in one sentence what each contender held and answered', () => {
  const stock = twice({ contender: 'stock', load: { perSecond: 2_500 } });
  expect(verdict([incident, stock, twice()], 100)).toBe(
    'Knex per request held up to 80 of the server’s 100 connections for 1 transaction each and answered 4.0 % of 2,000 requests; ' +
      'Knex 8 × 10 held up to 80 for 100 transactions each and answered all 16,000 requests; ' +
      'Tenure 8 × 10 held up to 80 for 100 transactions each and answered all 16,000 requests, with 0.80 times the requests/s of Knex 8 × 10.',
  );
});

test('of sign-ups it says what errors cost, in a sentence of their own', () => {
  const stock = twice({ contender: 'prisma', opened: 400, load: { answered: 950, timedOut: 50, perSecond: 200 } });
  const ours = twice({ contender: 'prisma-tenure', load: { perSecond: 1_700 } });
  expect(verdict([twice(), stock, ours], 100)).toBe(
    'Tenure 8 × 10 held up to 80 of the server’s 100 connections for 100 transactions each and answered all 16,000 requests. ' +
      'Where 30 % of the requests violate a unique key, Prisma 8 × 10 opened 400 connections per 1,000 requests and answered 95.0 % of 2,000 requests; ' +
      'Prisma + Tenure 8 × 10 opened 10 and answered all 16,000 requests, with 8.50 times the requests/s of Prisma 8 × 10.',
  );
});

test('does not flatter Tenure', () => {
  const bad = summaryOf({ limit: 160, load: { answered: 10, failed: 5, timedOut: 5 } });
  expect(verdict([bad], 100)).toBe(
    'Tenure 8 × 20 held up to 80 of the server’s 100 connections for 100 transactions each and answered 50.0 % of 20 requests.',
  );
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
