import { expect, test } from 'vitest';
import { barsOf, type Measured, priceTable, tablesOf, targetsOf, together } from '../../src/queries/figures.js';
import { FAMILIES, FAMILY_KEYS } from '../../src/queries/names.js';
import { WORKLOAD_KEYS } from '../../src/queries/workloads.js';

const STOCK = { perSecond: 1_000, clientCpu: 200, serverCpu: 100 };
const OURS = { perSecond: 1_500, clientCpu: 150, serverCpu: 60 };

function measured(): Measured {
  const names = FAMILY_KEYS.flatMap((family): readonly string[] => FAMILIES[family]);
  const rounds = new Map(names.map((name) => [name, [{ ...(/Tenure|tenure/.test(name) ? OURS : STOCK) }]]));
  return Object.fromEntries(WORKLOAD_KEYS.map((key) => [key, rounds])) as unknown as Measured;
}

test('each contender is compared with the first of its group', () => {
  const [lookup] = tablesOf(measured());
  const row = lookup!.rows.find(([, name]) => name === 'Knex + Tenure');
  expect(row).toEqual(['Knex', 'Knex + Tenure', '1500', '1.50 x', '150', '60', '0.60 x']);
});

test('throughput has a least, and the CPU of PostgreSQL a most', () => {
  const missed = targetsOf(measured()).filter(({ reached }) => !reached);
  expect(missed.map(({ text }) => text)).toEqual([
    'Join, operations/s: Knex + Tenure by Knex: 1.500 (the target is ≥ 1.6)',
    'Key lookup, operations/s: Knex + Tenure by Knex + select 1: 1.500 (the target is ≥ 1.6)',
  ]);
});

test('a CPU time that cannot be had is neither made up nor a target reached', () => {
  const unknown = measured();
  unknown.lookup.get('Knex')!.forEach((round) => {
    Object.assign(round, { serverCpu: Number.NaN });
  });
  expect(
    tablesOf(unknown)[0]!
      .rows.find(([, name]) => name === 'Knex')!
      .at(-2),
  ).toBe('n/a');
  expect(targetsOf(unknown).some(({ reached, text }) => !reached && text.startsWith('Key lookup, PostgreSQL'))).toBe(
    true,
  );
  expect(barsOf(unknown)).toHaveLength(8);
});

test('the rounds of all runs count alike', () => {
  const [first, second] = [measured(), measured()];
  Object.assign(second.join.get('Knex')![0]!, { perSecond: 3_000 });
  expect(
    together([first, second])
      .join.get('Knex')!
      .map(({ perSecond }) => perSecond),
  ).toEqual([1_000, 3_000]);
});

test('what writes lose by not being prepared stands beside', () => {
  const writing = measured();
  const inserts = new Map(writing.insert);
  for (const name of ['Tenure Pool, writes too', 'Knex + Tenure, writes too']) {
    inserts.set(name, [{ ...OURS, perSecond: 2_000, serverCpu: 50 }]);
  }
  expect(priceTable({ ...writing, insert: inserts }).rows.slice(0, 2)).toEqual([
    ['Insert', 'Tenure Pool', '0.75 x', '1.20 x'],
    ['Insert', 'Knex + Tenure', '0.75 x', '1.20 x'],
  ]);
});
