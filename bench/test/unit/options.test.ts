import { UsageError } from '@tenure/replay/output/usageError.js';
import { expect, test } from 'vitest';
import { duration, parseOptions } from '../../src/options.js';

const namesOf = (...args: string[]) => parseOptions(args).benches.map(({ name }) => name);

test('without a name all run, and with names those, in their own order', () => {
  expect(namesOf()).toEqual([
    'pool',
    'observed',
    'queries',
    'pipeline',
    'errors',
    'fleet',
    'ageing',
    'recovery',
    'inspector',
  ]);
  expect(namesOf('--', 'errors', 'pool', '--quick')).toEqual(['pool', 'errors']);
});

test.each([
  [['pols'], /called “pols”; there are pool, observed/],
  [['--quik'], /--quik/],
  [['--quick', '--write-docs'], /wants a full run/],
])('%j is refused', (args, message) => {
  expect(() => parseOptions(args)).toThrow(message);
  expect(() => parseOptions(args)).toThrow(UsageError);
});

test('how long it takes is told in seconds while these are few', () => {
  expect([duration(40), duration(600)]).toEqual(['about 40 s', 'about 10 min']);
});
