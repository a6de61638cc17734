import { expect, test } from 'vitest';
import { type Figures, tableOf, targetsOf } from '../../src/errors/figures.js';
import { targetLine } from '../../src/figures/ratio.js';

function figuresOf(name: string, ...perSecond: number[]): Figures {
  return { name, perSecond, opened: 30, requests: 1_000 };
}

const ALL = [
  figuresOf('pg.Pool', 100, 100, 100),
  figuresOf('Tenure Pool', 790, 800, 2_000),
  figuresOf('Prisma', 100, 100, 100),
  figuresOf('Prisma + Tenure', 290, 299, 2_000),
];

test('a target that is missed is said to be', () => {
  expect(targetsOf(ALL).map(targetLine)).toEqual([
    '✓ Tenure Pool by pg.Pool, requests/s: 8.000 (the target is ≥ 8)',
    '✗ MISSED: Prisma + Tenure by Prisma, requests/s: 2.990 (the target is ≥ 3)',
  ]);
});

test('each row has the median and the ratio to its own stock pool', () => {
  const { rows } = tableOf(ALL);
  expect(rows.map(([, name, rate, ratio]) => [name, rate, ratio])).toEqual([
    ['pg.Pool', '100', '1.00 x'],
    ['Tenure Pool', '800', '8.00 x'],
    ['Prisma', '100', '1.00 x'],
    ['Prisma + Tenure', '299', '2.99 x'],
  ]);
  expect(rows[0]?.slice(-2)).toEqual(['30', '30.0']);
});

test('what did not run is not made up', () => {
  expect(() => tableOf(ALL.slice(1))).toThrow('pg.Pool did not run');
});
