import { expect, test } from 'vitest';
import { makePlan } from '../../src/plan.js';

const ALL = ['per-request', 'oversized', 'stock', 'tenure'] as const;

test('in full, stock Knex and Tenure take turns, and neither is always first', () => {
  const { passes, clients } = makePlan({ only: ALL, quick: false, limit: 10 });
  const order = passes.map(({ contender }) => contender);
  expect(order.slice(0, 2)).toEqual(['per-request', 'oversized']);
  const turns = order.slice(2).join(' ');
  expect(turns).toBe('stock tenure tenure stock tenure stock stock tenure');
  expect(clients).toBe(400);
});

test('quick, each runs once', () => {
  const { passes, clients } = makePlan({ only: ALL, quick: true, limit: 10 });
  expect(passes.map(({ contender, number, of }) => [contender, number, of])).toEqual(ALL.map((key) => [key, 1, 1]));
  expect(clients).toBe(100);
});

test('a pass of a bounded pool goes on until each connection could have served enough', () => {
  const { passes, connections } = makePlan({ only: ['tenure'], quick: true, limit: 12 });
  expect(connections).toBe(96);
  expect(passes[0]!.untilAnswered).toBeGreaterThanOrEqual(96 * 50);
});

test('a pass of what exhausts the server is bounded in time alone', () => {
  const { passes } = makePlan({ only: ['per-request'], quick: false, limit: 10 });
  expect(passes[0]).toMatchObject({ untilAnswered: 0, maxMs: passes[0]!.forMs });
});
