import { expect, test } from 'vitest';
import { parseOptions } from '../../src/options.js';
import { UsageError } from '../../src/output/usageError.js';

test('without arguments every contender runs, in full', () => {
  expect(parseOptions([])).toEqual({
    help: false,
    quick: false,
    only: [
      'per-request',
      'oversized',
      'stock',
      'tenure',
      'stock-deployment',
      'tenure-deployment',
      'prisma',
      'prisma-tenure',
    ],
    serve: false,
    allowRemote: false,
    report: undefined,
  });
});

test('--only picks contenders, in their own order', () => {
  expect(parseOptions(['--only', 'tenure, stock']).only).toEqual(['stock', 'tenure']);
});

test('--quick leaves the deployment out, unless it is named', () => {
  expect(parseOptions(['--quick']).only).toEqual([
    'per-request',
    'oversized',
    'stock',
    'tenure',
    'prisma',
    'prisma-tenure',
  ]);
  expect(parseOptions(['--quick', '--only', 'tenure-deployment']).only).toEqual(['tenure-deployment']);
});

test('the dashes that pnpm hands on are no argument', () => {
  expect(parseOptions(['--', '--quick']).quick).toBe(true);
});

test.each([
  [['--quik'], /--quik/],
  [['fast'], /fast/],
  [['--only', 'stock,django'], /no “django”; it knows per-request, oversized, stock, tenure, stock-deployment, /],
  [['--only', ''], /knows no “”/],
  [['--only'], /--only/],
])('%j is refused', (args, message) => {
  expect(() => parseOptions(args)).toThrow(message);
  expect(() => parseOptions(args)).toThrow(UsageError);
});
