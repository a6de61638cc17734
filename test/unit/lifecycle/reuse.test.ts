import { describe, expect, it } from 'vitest';
import {
  areMadeAnew,
  type ClosedConnection,
  judgeReuse,
  lossOf,
  NOT_REUSED_CAUSES,
  type NotReusedCause,
  type PoolBeside,
  type ReuseFacts,
  type ReuseVerdict,
} from '../../../packages/core/src/lifecycle/reuse.js';
import { parsePolicy } from '../../../packages/core/src/policy/parsePolicy.js';
import type { PolicyOverrides } from '../../../packages/core/src/policy/policy.js';

describe('why a connection will not be reused', () => {
  it.each<[Partial<ClosedConnection>, NotReusedCause | undefined]>([
    [{ reason: 'max-age' }, 'max-age'],
    [{ reason: 'max-uses' }, 'max-uses'],
    [{ reason: 'idle' }, 'idle'],
    [{ reason: 'crowded' }, 'crowded'],
    [{ reason: 'overflow' }, 'reuse-conns'],
    [{ reason: 'overflow', owners: 3 }, 'shared-limit'],
    [{ reason: 'discarded' }, 'discarded'],
    [{ reason: 'discarded', hasEnded: true }, undefined],
    [{ reason: 'broken' }, undefined],
    [{ reason: 'broken', idleMs: 900 }, undefined],
    [{ reason: 'broken', idleMs: 1_000 }, 'ended'],
    [{ reason: 'failed-check', idleMs: 30_000 }, 'ended'],
    [{ reason: 'broken', byApp: true }, 'ended-by-app'],
    [{ reason: 'invalidated' }, 'other'],
    [{ reason: 'closing' }, undefined],
  ])('%o: %s', (given, want) => {
    const closed = { reason: 'idle', hasEnded: false, byApp: false, idleMs: 0, owners: 1, ...given } as const;
    expect(lossOf(closed, parsePolicy({}))).toBe(want);
  });

  it('is REUSE_CONNS where that is below the maximum, also for pools that share a limit', () => {
    const closed = { reason: 'overflow', hasEnded: true, byApp: false, idleMs: 0, owners: 2 } as const;
    expect(lossOf(closed, parsePolicy({}, { reuseConnections: 2 }))).toBe('reuse-conns');
  });
});

interface Case extends Partial<Omit<ReuseFacts, 'lost'>> {
  readonly what: string;
  readonly lost?: Partial<Record<NotReusedCause, number>>;
  readonly policy?: PolicyOverrides;
  readonly want: ReuseVerdict;
}

/** 120 connections opened, and used once each. */
const CHURN = { forMs: 60_000, acquired: 120, opened: 120 };
const NONE = Object.fromEntries(NOT_REUSED_CAUSES.map((cause) => [cause, 0])) as Record<NotReusedCause, number>;

describe('whether connections are reused', () => {
  it.each<Case>([
    { what: 'nothing has happened', acquired: 0, opened: 1, want: 'too-early' },
    { what: 'a pool fills, each connection used once', opened: 200, acquired: 200, want: 'too-early' },
    {
      what: 'a pool that is not used any more empties',
      opened: 0,
      acquired: 0,
      lost: { idle: 120 },
      want: 'too-early',
    },
    { what: 'a few are replaced', opened: 99, acquired: 0, lost: { ended: 99 }, want: 'too-early' },
    { what: 'a busy pool that replaces many', acquired: 900, lost: { ended: 120 }, want: 'reused' },
    { what: 'three uses a connection', acquired: 360, lost: { 'max-uses': 120 }, want: 'reused' },
    { what: 'two uses a connection', acquired: 240, lost: { 'max-uses': 120 }, want: 'max-uses' },
    { what: 'it took hours', forMs: 3_600_000, lost: { idle: 120 }, want: 'reused' },
    {
      what: 'a large pool that fills and empties',
      policy: { maxConnections: 60 },
      lost: { idle: 120 },
      want: 'too-early',
    },
    {
      what: 'each place of it was taken three times',
      policy: { maxConnections: 40 },
      lost: { idle: 120 },
      want: 'idle',
    },
    { what: 'for several causes', lost: { 'max-age': 30, discarded: 60, ended: 20 }, want: 'discarded' },
    { what: 'no one uses them, and the server ends them', acquired: 0, lost: { ended: 110 }, want: 'ended' },
    ...NOT_REUSED_CAUSES.map((cause) => ({ what: 'all for one cause', lost: { [cause]: 110 }, want: cause })),
  ])('$what: $want', ({ want, lost, policy, ...facts }) => {
    expect(judgeReuse({ ...CHURN, ...facts, lost: { ...NONE, ...lost } }, parsePolicy({}, policy))).toBe(want);
  });
});

describe('whether pools are made anew again and again', () => {
  const poolsOf = (count: number, pool: Partial<PoolBeside> = {}) =>
    Array.from({ length: count }, (): PoolBeside => ({ ageMs: 30_000, acquired: 1, opened: 1, ...pool }));

  it.each([
    ['one for each request', poolsOf(20), true],
    ['each used twice', poolsOf(20, { acquired: 2 }), true],
    ['a few', poolsOf(19), false],
    ['one for each tenant, in use', poolsOf(50, { acquired: 12, opened: 3 }), false],
    ['many that have only just begun', poolsOf(100, { ageMs: 4_000 }), false],
    ['many that are rarely used', poolsOf(100, { ageMs: 3_600_000 }), false],
    ['beside one that is busy', [...poolsOf(30), ...poolsOf(1, { acquired: 100_000 })], false],
  ])('%s: %s', (_, pools, want) => {
    expect(areMadeAnew(pools)).toBe(want);
  });
});
