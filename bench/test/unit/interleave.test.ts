import { expect, test } from 'vitest';
import { interleave } from '../../src/figures/interleave.js';

const [A, B] = [{ name: 'a' }, { name: 'b' }];

test('each round begins with another contender, and the first does not count', async () => {
  const turns: string[] = [];
  let turn = 0;
  const figures = await interleave([A, B], 2, async ({ name }, isWarmUp) => {
    turns.push(isWarmUp ? `(${name})` : name);
    return turn++;
  });
  expect(turns).toEqual(['(b)', '(a)', 'a', 'b', 'b', 'a']);
  expect(Object.fromEntries(figures)).toEqual({ a: [2, 5], b: [3, 4] });
});
