import { expect, test } from 'vitest';
import { summarise, summariseAll } from '../../src/figures/summary.js';
import { passOf } from './support.js';

test('the peak is of all passes, counts of requests add up, and the rest is the median', () => {
  const passes = [80, 79, 81].map((connections, index) =>
    passOf({
      trace: { samples: [{ at: 1, connections }], lifelines: [] },
      load: { failed: index, perSecond: 1_000 * (index + 1) },
      failures: { 53300: index },
      serverCpuMs: index === 0 ? null : 500,
    }),
  );
  const summary = summarise('tenure', passes);
  expect(summary).toMatchObject({
    peak: 81,
    mean: 80,
    failed: 3,
    perSecond: 2_000,
    failures: { 53300: 3 },
    serverCpuMs: 500,
  });
  expect(summary).toMatchObject({ passes: 3, answered: 24_000, limit: 80 });
});

test('the pass with the fewest transactions per connection is not lost in the median', () => {
  const passes = [passOf({ served: 400 }), passOf(), passOf()];
  expect(summarise('tenure', passes)).toMatchObject({
    transactionsPerConnection: 100,
    fewestTransactionsPerConnection: 5,
  });
});

test('the mean counts only what was seen while the clients were at work', () => {
  const samples = [
    { at: 1, connections: 10 },
    { at: 3, connections: 30 },
    { at: 5, connections: 0 },
  ];
  expect(summarise('tenure', [passOf({ trace: { samples, lifelines: [] } })]).mean).toBe(20);
});

test('at the end: the most in the last second of the clients’ work, of all passes', () => {
  const samples = [1.5, 3.2, 3.9, 4.5].map((at, index) => ({ at, connections: [48, 41, 40, 99][index]! }));
  const steady = passOf({ trace: { samples: [{ at: 3.5, connections: 39 }], lifelines: [] } });
  expect(summarise('tenure', [steady, passOf({ trace: { samples, lifelines: [] } })]).peakAtEnd).toBe(41);
});

test('a contender that opened nothing and answered nothing has figures all the same', () => {
  const nothing = passOf({ served: 0, opened: 0, load: { answered: 0, p50Ms: null, p99Ms: null } });
  expect(summarise('tenure', [nothing])).toMatchObject({ transactionsPerConnection: 0, p50Ms: null });
});

test('contenders come in the order they first ran', () => {
  const passes = (['stock', 'tenure', 'tenure', 'stock'] as const).map((contender) => passOf({ contender }));
  expect(summariseAll(passes).map(({ contender, passes }) => [contender, passes])).toEqual([
    ['stock', 2],
    ['tenure', 2],
  ]);
});

test('connections opened are told per thousand requests, however these ended, and the pass with most is kept', () => {
  const load = { answered: 1_000, failed: 500, timedOut: 500 };
  const passes = [400, 600, 500].map((opened) => passOf({ opened, load }));
  expect(summarise('prisma', passes)).toMatchObject({ openedPerThousand: 250, mostOpened: 600, opened: 500 });
});
