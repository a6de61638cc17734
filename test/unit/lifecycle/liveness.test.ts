import { describe, expect, it } from 'vitest';
import {
  afterAnswer,
  deadAt,
  isOvertaken,
  nextProbe,
  pendingCheck,
  pendingConnect,
} from '../../../packages/core/src/lifecycle/liveness.js';
import { parsePolicy } from '../../../packages/core/src/policy/parsePolicy.js';

const { POSITIVE_INFINITY: noAnswer } = Number;
const policyOf = (healthTimeoutMs: number) => parsePolicy({}, { healthTimeoutMs });

describe('a connection that does not answer', () => {
  it.each([
    { healthTimeoutMs: 1_000, overtakenMs: 1, want: 1_000 },
    { healthTimeoutMs: 1_000, overtakenMs: 300, want: 1_000 },
    { healthTimeoutMs: 1_000, overtakenMs: 500, want: 1_000 },
    { healthTimeoutMs: 1_000, overtakenMs: 1_500, want: 4_000 },
    { healthTimeoutMs: 200, overtakenMs: 3_000, want: 8_900 },
    { healthTimeoutMs: 1_000, overtakenMs: 5_000, want: 10_000 },
    { healthTimeoutMs: 1_000, overtakenMs: noAnswer, want: 10_000 },
    { healthTimeoutMs: 200, overtakenMs: noAnswer, want: 10_000 },
    { healthTimeoutMs: 3_000, overtakenMs: noAnswer, want: 30_000 },
  ])(
    'is dead after $want ms, when others are answered in $overtakenMs ms and healthTimeoutMs is $healthTimeoutMs',
    (row) => {
      const policy = policyOf(row.healthTimeoutMs);
      expect(deadAt({ ...pendingCheck(7, policy, false), overtakenMs: row.overtakenMs }, policy)).toBe(7 + row.want);
    },
  );

  it('is dead sooner when it is busy with a query that nobody waits for, which may never end', () => {
    const policy = policyOf(1_000);
    expect(deadAt(pendingCheck(7, policy, true), policy)).toBe(4_007);
  });

  it('is judged by the quickest answer to what was asked when it had been silent for half of healthTimeoutMs', () => {
    const question = pendingCheck(100, policyOf(1_000), false);
    expect(afterAnswer(question, 99, 1)).toBe(question);
    expect(afterAnswer(question, 599, 1)).toBe(question);
    const overtaken = afterAnswer(question, 600, 40);
    expect(overtaken).toMatchObject({ sentAt: 100, overtakenMs: 40 });
    expect(afterAnswer(overtaken, 700, 50)).toBe(overtaken);
    expect(afterAnswer(overtaken, 700, 30).overtakenMs).toBe(30);
  });

  it('has its server looked at in time for a verdict, and then ever more seldom', () => {
    const question = pendingCheck(0, policyOf(1_000), false);
    expect([0, 500, 1_000, 2_000].map((now) => nextProbe(question, now))).toEqual([500, 1_000, 2_000, 4_000]);
  });
});

describe('a connect that is not answered', () => {
  it('is overtaken by one that began later and took a third of its time', () => {
    const connect = pendingConnect(0);
    expect(isOvertaken(connect, 1e9)).toBe(false);
    // If several begin together, some may be answered before the server slows down.
    expect(afterAnswer(connect, 0, 20)).toBe(connect);
    const overtaken = afterAnswer(connect, 1, 200);
    expect(isOvertaken(overtaken, 599)).toBe(false);
    expect(isOvertaken(overtaken, 600)).toBe(true);
  });
});
