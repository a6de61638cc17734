import { describe, expect, it } from 'vitest';
import { type Limits, withLimits } from '../../../packages/core/src/policy/limits.js';
import { parsePolicy } from '../../../packages/core/src/policy/parsePolicy.js';
import { isPolicy } from '../../../packages/core/src/policy/policy.js';
import { problemsOf } from './problemsOf.js';

describe('withLimits', () => {
  it('changes the limits given and nothing else', () => {
    const before = parsePolicy({ CONN_MAX_AGE: '5', REUSE_CONNS: '4' }, { name: 'orders' });
    const after = withLimits(before, { maxConnections: 7, minConnections: 2 });
    const sources = {
      ...before.sources,
      maxConnections: { from: 'argument', name: 'resize.maxConnections' },
      minConnections: { from: 'argument', name: 'resize.minConnections' },
    };
    expect(after).toEqual({ ...before, maxConnections: 7, minConnections: 2, sources });
    expect(before).toMatchObject({ maxConnections: 10, minConnections: 0 });
    expect(isPolicy(after)).toBe(true);
    expect(Object.isFrozen(after)).toBe(true);
  });

  it('lets a reuseConnections that nobody set follow maxConnections, again and again', () => {
    const smaller = withLimits(parsePolicy({}), { maxConnections: 3 });
    expect(smaller.reuseConnections).toBe(3);
    expect(withLimits(smaller, { maxConnections: 30 }).reuseConnections).toBe(30);
  });

  it('keeps a reuseConnections that was set, by a resize too', () => {
    const policy = withLimits(parsePolicy({}), { reuseConnections: 2 });
    expect(withLimits(policy, { maxConnections: 30 }).reuseConnections).toBe(2);
  });

  it('changes nothing when nothing is given', () => {
    const policy = parsePolicy({ MAX_CONNS: '5' });
    expect(withLimits(policy, {})).toEqual(policy);
    expect(withLimits(policy, { maxConnections: undefined })).toEqual(policy);
  });

  it.each([
    [{ maxConnections: 0 }, ['resize.maxConnections = 0: 0 is refused: no connection could be opened']],
    [
      { maxConnections: 2.5, minConnections: -1 },
      ['resize.maxConnections = 2.5: a whole number', 'resize.minConnections = -1: from 0 to 262143'],
    ],
    [{ maxConnections: 3 }, ['REUSE_CONNS = 4: at most resize.maxConnections, which is 3']],
    [{ minConnections: 5 }, ['resize.minConnections = 5: at most REUSE_CONNS, which is 4']],
    [
      { reuseConnections: 11 },
      ['resize.reuseConnections = 11: at most maxConnections, which is 10 by default (MAX_CONNS)'],
    ],
    [{ max: 5 }, ['resize.max = (number): no such key; the keys are maxConnections, reuseConnections, minConnections']],
    [
      { maxUses: 5 },
      ['resize.maxUses = (number): no such key; the keys are maxConnections, reuseConnections, minConnections'],
    ],
    [{ maxConnection: 5 }, ['resize.maxConnection = (number): no such key; is maxConnections meant?']],
  ])('refuses %j', (limits, lines) => {
    const policy = parsePolicy({ REUSE_CONNS: '4' });
    const problems = problemsOf(() => withLimits(policy, limits as Limits));
    expect(problems.map(({ name, value, allowed }) => `${name} = ${value}: ${allowed}`)).toEqual(lines);
  });
});
