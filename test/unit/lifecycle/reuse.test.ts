import { describe, expect, it } from 'vitest';
import {
  areMadeAnew,
  judgeReuse,
  type PoolBeside,
  type ReuseFacts,
  type ReuseVerdict,
} from '../../../packages/core/src/lifecycle/reuse.js';
import { CLOSE_REASONS, type CloseReason } from '../../../packages/core/src/lifecycle/state.js';
import { parsePolicy } from '../../../packages/core/src/policy/parsePolicy.js';
import type { PolicyOverrides } from '../../../packages/core/src/policy/policy.js';

type Closed = Partial<Record<CloseReason, number>>;
const closedOf = (closed: Closed) =>
  Object.fromEntries(CLOSE_REASONS.map((reason) => [reason, closed[reason] ?? 0])) as Record<CloseReason, number>;

interface Case extends Partial<Omit<ReuseFacts, 'closed'>> {
  readonly what: string;
  readonly closed?: Closed;
  readonly policy?: PolicyOverrides;
  readonly want: ReuseVerdict;
}

/** 120 connections opened, used once each, and closed. */
const CHURN = { forMs: 60_000, acquired: 120, opened: 120, endedByApp: 0, owners: 1 };

describe('whether connections are reused', () => {
  it.each<Case>([
    { what: 'nothing has happened', acquired: 0, opened: 1, want: 'too-early' },
    { what: 'a pool fills, each connection used once', opened: 200, acquired: 200, closed: {}, want: 'too-early' },
    { what: 'a pool that is drained closes many', closed: { closing: 500 }, want: 'too-early' },
    { what: 'a failover replaced each of ten', opened: 20, acquired: 20, closed: { broken: 10 }, want: 'too-early' },
    { what: 'ten restarts without load', opened: 99, acquired: 0, closed: { broken: 99 }, want: 'too-early' },
    { what: 'a busy pool that replaces many', acquired: 900, closed: { broken: 120 }, want: 'reused' },
    { what: 'three uses a connection', acquired: 360, closed: { 'max-uses': 120 }, want: 'reused' },
    { what: 'it took hours', forMs: 3_600_000, closed: { idle: 120 }, want: 'reused' },
    {
      what: 'a large pool that fills and empties',
      policy: { maxConnections: 60 },
      closed: { idle: 120 },
      want: 'too-early',
    },
    {
      what: 'each place of it was taken three times',
      policy: { maxConnections: 40 },
      closed: { idle: 120 },
      want: 'idle',
    },
    { what: 'each connection is closed after one use', closed: { 'max-age': 118 }, want: 'max-age' },
    { what: 'each is closed after two uses', acquired: 240, closed: { 'max-uses': 120 }, want: 'max-uses' },
    { what: 'the app discards them', closed: { discarded: 120 }, want: 'discarded' },
    { what: 'the server ends them', closed: { broken: 60, 'failed-check': 50, idle: 9 }, want: 'ended' },
    { what: 'checks find them dead', closed: { 'failed-check': 110 }, want: 'ended' },
    { what: 'the app ends them', closed: { broken: 110 }, endedByApp: 100, want: 'ended-by-app' },
    {
      what: 'fewer are kept than are used',
      policy: { maxConnections: 10, reuseConnections: 1 },
      closed: { overflow: 110 },
      want: 'reuse-conns',
    },
    { what: 'pools take their places from each other', owners: 4, closed: { overflow: 110 }, want: 'shared-limit' },
    { what: 'the server is full', closed: { crowded: 110 }, want: 'crowded' },
    { what: 'the app invalidates the pool all the time', closed: { invalidated: 110 }, want: 'other' },
    { what: 'no one uses them, and the server ends them', acquired: 0, closed: { broken: 110 }, want: 'ended' },
  ])('$what: $want', ({ want, closed = {}, policy, ...facts }) => {
    const given = parsePolicy({}, policy);
    expect(judgeReuse({ ...CHURN, ...facts, closed: closedOf(closed) }, given, given)).toBe(want);
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
