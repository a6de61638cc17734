import { describe, expect, it } from 'vitest';
import { afterAnswer, deadFrom, isOvertaken, nextLook } from '../../../packages/core/src/lifecycle/silence.js';
import { parsePolicy } from '../../../packages/core/src/policy/parsePolicy.js';

const { POSITIVE_INFINITY: noAnswer } = Number;
const policyOf = (healthTimeoutMs: number) => parsePolicy({}, { healthTimeoutMs });

describe('a connection that does not answer', () => {
  it.each([
    { healthTimeoutMs: 1_000, overtakenMs: 1, want: 1_000 },
    { healthTimeoutMs: 1_000, overtakenMs: 300, want: 1_000 },
    { healthTimeoutMs: 1_000, overtakenMs: 1_500, want: 4_500 },
    { healthTimeoutMs: 200, overtakenMs: 3_000, want: 9_000 },
    { healthTimeoutMs: 1_000, overtakenMs: 5_000, want: 10_000 },
    { healthTimeoutMs: 1_000, overtakenMs: noAnswer, want: 10_000 },
    { healthTimeoutMs: 200, overtakenMs: noAnswer, want: 10_000 },
    { healthTimeoutMs: 3_000, overtakenMs: noAnswer, want: 30_000 },
  ])(
    'is dead after $want ms, when others are answered in $overtakenMs ms and healthTimeoutMs is $healthTimeoutMs',
    (row) => {
      expect(deadFrom({ askedAt: 7, overtakenMs: row.overtakenMs }, policyOf(row.healthTimeoutMs))).toBe(7 + row.want);
    },
  );

  it('is judged by the quickest answer to a question that was not asked sooner', () => {
    const question = { askedAt: 100, overtakenMs: noAnswer };
    expect(afterAnswer(question, 99, 1)).toBe(question);
    expect(afterAnswer(question, 100, 40)).toEqual({ askedAt: 100, overtakenMs: 40 });
    expect(afterAnswer({ askedAt: 100, overtakenMs: 40 }, 200, 50).overtakenMs).toBe(40);
    expect(afterAnswer({ askedAt: 100, overtakenMs: 40 }, 200, 30).overtakenMs).toBe(30);
  });

  it('has its server looked at in time for a verdict, and then ever more seldom', () => {
    const question = { askedAt: 0, overtakenMs: noAnswer };
    const looks = [0, 500, 1_000, 2_000].map((now) => nextLook(question, policyOf(1_000), now));
    expect(looks).toEqual([500, 1_000, 2_000, 4_000]);
  });
});

describe('a connect that is not answered', () => {
  it('is overtaken by one that began later and took a third of its time', () => {
    expect(isOvertaken({ askedAt: 0, overtakenMs: noAnswer }, 1e9)).toBe(false);
    expect(isOvertaken({ askedAt: 0, overtakenMs: 200 }, 599)).toBe(false);
    expect(isOvertaken({ askedAt: 0, overtakenMs: 200 }, 600)).toBe(true);
  });
});
