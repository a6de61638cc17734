import { expect, test } from 'vitest';
import { makePlan } from '../../src/plan.js';

const ALL = ['per-request', 'oversized', 'stock', 'tenure', 'prisma', 'prisma-tenure'] as const;

test('in full, what is compared takes turns, and neither is always first', () => {
  const { passes, clients } = makePlan({ only: ALL, quick: false, limit: 10 });
  const order = passes.map(({ contender }) => contender);
  expect(order.slice(0, 2)).toEqual(['per-request', 'oversized']);
  const turns = order.slice(2, 10).join(' ');
  expect(turns).toBe('stock tenure tenure stock tenure stock stock tenure');
  expect(order.slice(10)).toEqual(['prisma', 'prisma-tenure', 'prisma-tenure', 'prisma']);
  expect(clients).toBe(400);
});

test('with PgBouncer as a peer it takes turns too, and the order of the others stays', () => {
  const orderOf = (only: Parameters<typeof makePlan>[0]['only']) =>
    makePlan({ only, quick: false, limit: 10 }).passes.map(({ contender }) => contender);
  const order = orderOf(['stock', 'pgbouncer', 'tenure']);
  expect(order.filter((key) => key === 'pgbouncer')).toHaveLength(3);
  expect(order.at(-1)).not.toBe('pgbouncer');
  expect(order.filter((key) => key !== 'pgbouncer')).toEqual(orderOf(['stock', 'tenure']));
});

test('quick, each runs once', () => {
  const { passes, clients } = makePlan({ only: ALL, quick: true, limit: 10 });
  expect(passes.map(({ contender, number, of }) => [contender, number, of])).toEqual(ALL.map((key) => [key, 1, 1]));
  expect(clients).toBe(100);
});

test('in full, all passes of a route take as long: the first moments of an app are slow', () => {
  const passes = makePlan({ only: ALL, quick: false, limit: 10 }).passes;
  expect(new Set(passes.map(({ forMs }) => forMs)).size).toBe(1);
});

test('a pass of a bounded pool goes on until each connection could have served enough', () => {
  const { passes, connections } = makePlan({ only: ['tenure'], quick: true, limit: 12 });
  expect(connections).toBe(96);
  expect(passes[0]!.untilAnswered).toBeGreaterThanOrEqual(96 * 50);
});

test('in the middle of a deployment’s pass the processes are doubled, and in no other', () => {
  const only = ['tenure', 'stock-deployment', 'tenure-deployment'] as const;
  const { passes } = makePlan({ only, quick: true, limit: 10 });
  const [steady, ...doubled] = passes;
  expect(steady!.doublesAfterMs).toBeNull();
  for (const { forMs, doublesAfterMs } of doubled) expect(forMs - doublesAfterMs!).toBe(steady!.forMs);
});

test.each(['per-request', 'oversized', 'prisma'] as const)('a pass of %s is bounded in time alone', (contender) => {
  const { passes } = makePlan({ only: [contender], quick: false, limit: 10 });
  expect(passes[0]).toMatchObject({ untilAnswered: 0, maxMs: passes[0]!.forMs });
});
