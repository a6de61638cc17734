import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { afterFailure, type ConnectFailures, failFast, retryAt } from '../../../packages/core/src/lifecycle/backoff.js';
import { checkLevel, FIRST_EPOCH } from '../../../packages/core/src/lifecycle/freshness.js';
import { type Demand, missing, opensAllowedFrom, opensWanted } from '../../../packages/core/src/lifecycle/growth.js';
import {
  expiryOf,
  isExpired,
  keepsConnections,
  maintenanceOf,
  nextMaintenance,
  retireReason,
  soonestMaintenanceMs,
  surplusReason,
} from '../../../packages/core/src/lifecycle/retirement.js';
import type { ConnectionFacts, PoolFacts } from '../../../packages/core/src/lifecycle/state.js';
import { parsePolicy } from '../../../packages/core/src/policy/parsePolicy.js';
import type { Policy, PolicyOverrides } from '../../../packages/core/src/policy/policy.js';

const { POSITIVE_INFINITY: never, NEGATIVE_INFINITY: always } = Number;
const policyOf = (overrides: PolicyOverrides = {}) => parsePolicy({}, overrides);
const connectionOf = (facts: Partial<ConnectionFacts> = {}): ConnectionFacts => ({
  uses: 1,
  expiresAt: never,
  answeredAt: 0,
  epoch: 0,
  readOnly: false,
  spread: 0,
  idleSince: 0,
  generation: 0,
  ...facts,
});
const demandOf = (demand: Partial<Demand> = {}): Demand => ({
  successor: false,
  hasRefused: false,
  hasRefusedLately: false,
  waiting: 0,
  expected: 0,
  opening: 0,
  late: 0,
  open: 0,
  closing: 0,
  atOnce: 3,
  failures: undefined,
  limits: policyOf(),
  ...demand,
});
const poolOf = (facts: Partial<PoolFacts> = {}): PoolFacts => ({
  size: 1,
  idle: 1,
  generation: 0,
  limits: policyOf(),
  ...facts,
});

/** The rules for a pool whose limits are those of its policy. */
const rules = {
  maintenanceOf: (connection: ConnectionFacts, pool: PoolFacts, policy: Policy, now: number) =>
    maintenanceOf(connection, { ...pool, limits: policy }, policy, now),
  nextMaintenance: (connection: ConnectionFacts, pool: PoolFacts, policy: Policy, now: number) =>
    nextMaintenance(connection, { ...pool, limits: policy }, policy, now),
  surplusReason: (connection: ConnectionFacts, pool: PoolFacts, policy: Policy, now: number) =>
    surplusReason(connection, { ...pool, limits: policy }, policy, now),
  soonestMaintenanceMs: (policy: Policy) => soonestMaintenanceMs(policy, policy),
  opensWanted: (demand: Demand, policy: Policy, now: number) => opensWanted({ ...demand, limits: policy }, policy, now),
  missing: (demand: Demand, policy: Policy) => missing({ ...demand, limits: policy }, policy),
};

describe('freshness', () => {
  it.each([
    { silentMs: 0, bypass: 500, want: 'none' },
    { silentMs: 5, bypass: 500, want: 'none' },
    { silentMs: 5.01, bypass: 500, want: 'socket' },
    { silentMs: 500, bypass: 500, want: 'socket' },
    { silentMs: 500.01, bypass: 500, want: 'ping' },
    { silentMs: 3, bypass: 2, want: 'ping' },
    { silentMs: 0.001, bypass: 0, want: 'ping' },
    { silentMs: 0, bypass: 0, want: 'none' },
    { silentMs: 86_400_000, bypass: 500, want: 'ping' },
  ])('after $silentMs ms of silence and a bypass of $bypass ms: $want', ({ silentMs, bypass, want }) => {
    const connection = connectionOf({ answeredAt: 1_000 });
    expect(checkLevel(connection, FIRST_EPOCH, policyOf({ healthBypassMs: bypass }), 1_000 + silentMs)).toBe(want);
  });

  it.each([
    { silentMs: 2_000, bypass: 500, roundTripMs: 3_000, want: 'socket' },
    { silentMs: 3_001, bypass: 500, roundTripMs: 3_000, want: 'ping' },
    { silentMs: 400, bypass: 500, roundTripMs: 1, want: 'socket' },
    { silentMs: 1, bypass: 0, roundTripMs: 3_000, want: 'ping' },
  ])('after $silentMs ms, with a bypass of $bypass ms and round trips of $roundTripMs ms: $want', (row) => {
    const policy = policyOf({ healthBypassMs: row.bypass });
    expect(checkLevel(connectionOf(), FIRST_EPOCH, policy, row.silentMs, row.roundTripMs)).toBe(row.want);
  });

  it('asks for nothing with healthChecks off', () => {
    expect(checkLevel(connectionOf(), FIRST_EPOCH, policyOf({ healthChecks: false }), 1e9)).toBe('none');
  });

  it('asks whatever was last heard from before the last news', () => {
    const epoch = { ...FIRST_EPOCH, number: 1 };
    expect(checkLevel(connectionOf({ epoch: 0 }), epoch, policyOf(), 0)).toBe('ping');
    expect(checkLevel(connectionOf({ epoch: 1 }), epoch, policyOf(), 0)).toBe('none');
  });
});

describe('wear', () => {
  it.each([
    { what: 'is no matter of age', connection: { expiresAt: 0 }, want: undefined },
    { what: 'is a server that takes no writes any more', connection: { readOnly: true }, want: 'read-only' },
    { what: 'is none below maxUses', connection: { uses: 2 }, want: undefined },
    { what: 'is use at maxUses', connection: { uses: 3 }, want: 'max-uses' },
    {
      what: 'is an older generation before all else',
      connection: { readOnly: true, uses: 3, generation: -1 },
      want: 'invalidated',
    },
    {
      what: 'is an older generation also before the first use',
      connection: { uses: 0, generation: -1 },
      want: 'invalidated',
    },
  ])('$what', ({ connection, want }) => {
    expect(retireReason(connectionOf(connection), 0, policyOf({ maxUses: 3 }))).toBe(want);
  });

  it('never comes with maxUses none', () => {
    expect(retireReason(connectionOf({ uses: 1e9 }), 0, policyOf({ maxUses: 'none' }))).toBeUndefined();
  });
});

describe('age', () => {
  it.each([
    { what: 'is not reached before its time', connection: { expiresAt: 101 }, want: false },
    { what: 'is reached from the very moment on', connection: { expiresAt: 100 }, want: true },
    { what: 'is never reached before the first use', connection: { expiresAt: 0, uses: 0 }, want: false },
  ])('$what', ({ connection, want }) => {
    expect(isExpired(connectionOf(connection), 100)).toBe(want);
  });

  it('is never reached with maxAgeMs none', () => {
    const expiresAt = expiryOf(0, policyOf({ maxAgeMs: 'none' }), 0.5);
    expect(isExpired(connectionOf({ expiresAt }), 1e15)).toBe(false);
  });
});

describe('surplus', () => {
  const policy = policyOf({ maxConnections: 4, reuseConnections: 2, minConnections: 1, idleTimeoutMs: 5_000 });

  it.each([
    { what: 'within all limits is none', pool: { size: 4, idle: 2 }, idleMs: 4_999, want: undefined },
    { what: 'above maxConnections goes at once', pool: { size: 5, idle: 1 }, idleMs: 0, want: 'overflow' },
    { what: 'above reuseConnections lingers', pool: { size: 4, idle: 3 }, idleMs: 999, want: undefined },
    {
      what: 'above reuseConnections goes after the linger',
      pool: { size: 4, idle: 3 },
      idleMs: 1_000,
      want: 'overflow',
    },
    { what: 'goes at idleTimeoutMs', pool: { size: 2, idle: 2 }, idleMs: 5_000, want: 'idle' },
    { what: 'at minConnections is none', pool: { size: 1, idle: 1 }, idleMs: 1e9, want: undefined },
  ])('$what', ({ pool, idleMs, want }) => {
    expect(rules.surplusReason(connectionOf(), poolOf(pool), policy, idleMs)).toBe(want);
  });

  it('never comes with idleTimeoutMs none', () => {
    expect(rules.surplusReason(connectionOf(), poolOf(), policyOf({ idleTimeoutMs: 'none' }), 1e15)).toBeUndefined();
  });

  it('with reuseConnections 0 is every idle connection after the linger', () => {
    const none = policyOf({ reuseConnections: 0 });
    expect(rules.surplusReason(connectionOf(), poolOf(), none, 999)).toBeUndefined();
    expect(rules.surplusReason(connectionOf(), poolOf(), none, 1_000)).toBe('overflow');
  });
});

describe('jitter', () => {
  it('never lengthens a life, and shortens it by its share at most', () => {
    const share = fc.double({ min: 0, max: 0.9, noNaN: true });
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(fc.nat(1e9), fc.nat(1e9), share, random, (bornAt, maxAgeMs, maxAgeJitter, chance) => {
        const lifeMs = expiryOf(bornAt, policyOf({ maxAgeMs, maxAgeJitter }), chance) - bornAt;
        expect(lifeMs).toBeLessThanOrEqual(maxAgeMs + 1e-6);
        expect(lifeMs).toBeGreaterThanOrEqual(maxAgeMs * (1 - maxAgeJitter) - 1e-6);
      }),
    );
  });

  it('of 0 changes nothing, and leaves 0 and none alone', () => {
    expect(expiryOf(7, policyOf({ maxAgeMs: 100, maxAgeJitter: 0 }), 0.99)).toBe(107);
    expect(expiryOf(7, policyOf({ maxAgeMs: 0 }), 0.99)).toBe(7);
    expect(expiryOf(7, policyOf({ maxAgeMs: 'none' }), 0.99)).toBe(never);
  });
});

describe('connections', () => {
  it('are kept for reuse, but for maxAgeMs 0', () => {
    expect(keepsConnections(policyOf({ maxAgeMs: 0 }))).toBe(false);
    expect(keepsConnections(policyOf({ maxAgeMs: 1 }))).toBe(true);
    expect(keepsConnections(policyOf({ maxAgeMs: 'none' }))).toBe(true);
  });
});

describe('upkeep', () => {
  const policy = policyOf({ maxConnections: 3, reuseConnections: 1, idleTimeoutMs: 10_000, keepaliveMs: 4_000 });

  it('retires for wear before surplus and for surplus before age, and checks only what stays', () => {
    const old = connectionOf({ expiresAt: 0, answeredAt: -1e6 });
    const outdated = { ...old, generation: -1 };
    expect(rules.maintenanceOf(outdated, poolOf({ idle: 3, size: 3 }), policy, 20_000)).toEqual({
      close: 'invalidated',
    });
    expect(rules.maintenanceOf(old, poolOf({ idle: 3, size: 3 }), policy, 20_000)).toEqual({ close: 'overflow' });
    expect(rules.maintenanceOf(old, poolOf(), policy, 5_000)).toBe('rotate');
    expect(rules.maintenanceOf(connectionOf(), poolOf({ idle: 2, size: 3 }), policy, 5_000)).toEqual({
      close: 'overflow',
    });
    expect(rules.maintenanceOf(connectionOf(), poolOf(), policy, 4_000)).toBe('ping');
    expect(rules.maintenanceOf(connectionOf(), poolOf(), policy, 3_999)).toBe('leave');
  });

  it.each([
    { what: 'keepaliveMs none', overrides: { keepaliveMs: 'none' } },
    { what: 'healthChecks off', overrides: { healthChecks: false } },
    { what: 'maxAgeMs 0, which keeps no connection', overrides: { maxAgeMs: 0 } },
  ] as const)('checks nothing with $what', ({ overrides }) => {
    const lenient = policyOf({ idleTimeoutMs: 'none', ...overrides });
    expect(rules.maintenanceOf(connectionOf(), poolOf(), lenient, 1e12)).toBe('leave');
    expect(rules.soonestMaintenanceMs(lenient)).toBe(never);
  });

  it('next falls due at the soonest moment that is still to come', () => {
    const connection = connectionOf({ expiresAt: 8_000 });
    expect(rules.nextMaintenance(connection, poolOf(), policy, 0)).toBe(4_000);
    expect(rules.nextMaintenance(connection, poolOf({ idle: 2 }), policy, 0)).toBe(1_000);
    expect(rules.nextMaintenance(connection, poolOf({ idle: 2 }), policy, 1_000)).toBe(4_000);
    expect(rules.nextMaintenance(connection, poolOf(), policy, 4_000)).toBe(8_000);
    expect(rules.nextMaintenance(connection, poolOf(), policy, 8_000)).toBe(10_000);
    expect(rules.nextMaintenance(connection, poolOf(), policy, 10_000)).toBe(never);
  });

  it('never names a moment that has passed, and none at which nothing could be due', () => {
    const moment = fc.nat(20_000);
    fc.assert(
      fc.property(moment, moment, moment, moment, fc.nat(3), (expiresAt, answeredAt, idleSince, now, idle) => {
        const connection = connectionOf({ expiresAt, answeredAt, idleSince });
        const pool = poolOf({ size: 3, idle });
        const next = rules.nextMaintenance(connection, pool, policy, now);
        expect(next).toBeGreaterThan(now);
        // Up to this moment time alone changes nothing.
        const until = Number.isFinite(next) ? next - 1 : now + 1e6;
        if (until > now)
          expect(rules.maintenanceOf(connection, pool, policy, until)).toEqual(
            rules.maintenanceOf(connection, pool, policy, now),
          );
      }),
    );
  });

  it('of a connection just returned is never due sooner than soonestMaintenanceMs, its age aside', () => {
    const lenient = policyOf({ idleTimeoutMs: 10_000, keepaliveMs: 4_000 });
    expect(rules.soonestMaintenanceMs(lenient)).toBe(3_200);
    expect(rules.soonestMaintenanceMs(policy)).toBe(1_000);
    expect(rules.soonestMaintenanceMs(policyOf({ idleTimeoutMs: 100 }))).toBe(100);
  });
});

describe('what a pool may open', () => {
  const policy = policyOf({ maxConnections: 10, connectTimeoutMs: 10_000 });

  it.each([
    { what: 'nothing without demand', demand: {}, want: 0 },
    { what: 'one for one who waits', demand: { waiting: 1 }, want: 1 },
    { what: 'as many at once as may be', demand: { waiting: 9 }, want: 3 },
    { what: 'as many at once, those under way included', demand: { waiting: 9, opening: 2 }, want: 1 },
    { what: 'the first one alone', demand: { waiting: 9, atOnce: 1 }, want: 1 },
    { what: 'nothing beside the first one', demand: { waiting: 9, opening: 1, atOnce: 1 }, want: 0 },
    { what: 'one beside a late one, whatever may be at once', demand: { waiting: 9, late: 1, atOnce: 9 }, want: 1 },
    { what: 'one for one who waits for nothing but a late one', demand: { waiting: 1, late: 1 }, want: 1 },
    { what: 'nothing beside one that is not late yet', demand: { waiting: 9, late: 2, opening: 1 }, want: 0 },
    { what: 'nothing where late ones take the room', demand: { waiting: 9, open: 5, late: 5 }, want: 0 },
    { what: 'nothing for whom a check or return is about to serve', demand: { waiting: 2, expected: 2 }, want: 0 },
    { what: 'nothing for whom an open is under way', demand: { waiting: 2, opening: 2 }, want: 0 },
    { what: 'what there is room for', demand: { waiting: 9, open: 9 }, want: 1 },
    {
      what: 'nothing in the place of what is still being closed',
      demand: { waiting: 9, open: 8, closing: 2 },
      want: 0,
    },
    { what: 'nothing above the maximum', demand: { waiting: 9, open: 12 }, want: 0 },
  ])('is $what', ({ demand, want }) => {
    expect(rules.opensWanted(demandOf(demand), policy, 0)).toBe(want);
  });

  it('follows minConnections, but with maxAgeMs 0 nothing is kept', () => {
    expect(rules.missing(demandOf({ open: 1 }), policyOf({ minConnections: 3 }))).toBe(2);
    expect(rules.missing(demandOf({ open: 1, opening: 2 }), policyOf({ minConnections: 3 }))).toBe(0);
    expect(rules.missing(demandOf(), policyOf({ minConnections: 3, maxAgeMs: 0 }))).toBe(0);
  });

  it('never exceeds the maximum nor demand, whatever the figures', () => {
    const few = fc.nat(20);
    fc.assert(
      fc.property(few, few, few, few, few, few, few, (waiting, expected, opening, late, open, closing, atOnce) => {
        const demand = demandOf({ waiting, expected, opening, late, open, closing, atOnce });
        const wanted = rules.opensWanted(demand, policy, 0);
        expect(wanted).toBeGreaterThanOrEqual(0);
        expect(wanted === 0 || open + opening + late + closing + wanted <= 10).toBe(true);
        expect(wanted === 0 || opening + wanted <= atOnce).toBe(true);
        expect(wanted === 0 || late === 0 || opening + wanted <= 1).toBe(true);
        expect(wanted).toBeLessThanOrEqual(Math.max(0, waiting - expected - opening));
      }),
      // None may be under way at once, and a late one is: drawn once in three hundred.
      { examples: [[1, 0, 0, 2, 2, 0, 0]] },
    );
  });

  it.each(['transient', 'full'] as const)('is asked at most three times a second (%s), whoever waits', (kind) => {
    const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    const round = fc.record({ takesMs: fc.nat(3_000), waiting: fc.nat(3), chance });
    fc.assert(
      fc.property(fc.array(round, { maxLength: 40 }), (rounds) => {
        let failures: ConnectFailures | undefined;
        let now = 0;
        const attempts: number[] = [];
        for (const { takesMs, waiting, chance } of rounds) {
          const allowed = opensAllowedFrom(demandOf({ waiting, failures, atOnce: 1 }));
          now = Math.max(now, allowed);
          attempts.push(now);
          const beganAt = now;
          now += takesMs;
          failures = afterFailure(failures, { kind, error: undefined, beganAt }, now, chance);
        }
        for (const [i, at] of attempts.entries()) expect((attempts[i + 3] ?? never) - at).toBeGreaterThan(1_000);
      }),
    );
  });
});

describe('connect failures', () => {
  const policy = policyOf({ connectTimeoutMs: 10_000 });
  const failuresOf = (failures: Partial<ConnectFailures> = {}): ConnectFailures => ({
    kind: 'transient',
    error: new Error('connect failed'),
    beganAt: 0,
    since: 0,
    lastAt: 0,
    count: 1,
    atOnce: 1,
    jitter: 0,
    ...failures,
  });

  it.each([
    { count: 1, ms: 400 },
    { count: 2, ms: 800 },
    { count: 3, ms: 1_600 },
    { count: 4, ms: 3_200 },
    { count: 5, ms: 5_000 },
    { count: 5_000, ms: 5_000 },
  ])('after $count failures is left alone for $ms ms when nobody waits', ({ count, ms }) => {
    expect(retryAt(failuresOf({ count, lastAt: 100 }), false)).toBe(100 + ms);
    const shortest = retryAt(failuresOf({ count, lastAt: 100, jitter: 0.9999 }), false) - 100;
    expect(shortest).toBeLessThanOrEqual(ms);
    expect(shortest).toBeGreaterThanOrEqual(Math.max(400, ms * 0.75));
  });

  it('is tried again after 400 ms when someone waits, unless the server refuses us', () => {
    expect(retryAt(failuresOf({ count: 9 }), true)).toBe(400);
    expect(retryAt(failuresOf({ count: 9, kind: 'full' }), true)).toBe(400);
    expect(retryAt(failuresOf({ count: 9, kind: 'permanent' }), true)).toBe(5_000);
    // The next attempt may have another secret.
    expect(retryAt(failuresOf({ count: 9, kind: 'login', atOnce: 3 }), true)).toBe(250);
  });

  it('of a full server does not hurry while a connection is open that may serve', () => {
    const failures = failuresOf({ kind: 'full', count: 9 });
    expect(opensAllowedFrom(demandOf({ waiting: 1, failures }))).toBe(400);
    expect(opensAllowedFrom(demandOf({ waiting: 1, open: 1, failures }))).toBe(5_000);
    expect(opensAllowedFrom(demandOf({ waiting: 1 }))).toBe(always);
  });

  it.each([
    { what: 'not before the server has been away for that long', failures: { lastAt: 29_999 }, want: undefined },
    { what: 'from then on', failures: { lastAt: 30_000 }, want: 'unreachable' },
    { what: 'not when the server is full', failures: { lastAt: 30_000, kind: 'full' }, want: undefined },
    { what: 'not for a single failure, however long ago', failures: {}, now: 1e9, want: undefined },
    { what: 'not by what was last met long ago', failures: { lastAt: 30_000 }, now: 45_001, want: undefined },
    { what: 'at once when it refuses us', failures: { kind: 'permanent' }, now: 399, want: 'refused' },
    { what: 'not after the back-off of a failFast', failures: { kind: 'permanent' }, now: 400, want: undefined },
  ] as const)('refuses a caller who would wait 30 s, $what', ({ failures, want, ...rest }) => {
    const { now = 30_000 } = rest as { now?: number };
    expect(failFast(failuresOf(failures), 0, 30_000, policy, now)).toBe(want);
  });

  it('keeps nobody from a connection that is open', () => {
    for (const kind of ['transient', 'permanent', 'full'] as const) {
      expect(failFast(failuresOf({ kind, lastAt: 10_000 }), 1, 0, policy, 10_000)).toBeUndefined();
    }
  });

  it('never refuses a caller as unreachable who waits for ever', () => {
    expect(failFast(failuresOf({ lastAt: 1e9 }), 0, never, policy, 1e9)).toBeUndefined();
  });

  it('counts failures in a row from the first, and begins a new row after a quiet time or with another kind', () => {
    const first = afterFailure(undefined, { kind: 'transient', error: 1, beganAt: 4 }, 5, 0.1);
    const second = afterFailure(first, { kind: 'transient', error: 2, beganAt: 5_005 }, 5_050, 0.2);
    const late = afterFailure(second, { kind: 'transient', error: 3, beganAt: 10_051 }, 10_060, 0.3);
    const other = afterFailure(second, { kind: 'full', error: 4, beganAt: 6_000 }, 6_010, 0.4);
    expect(first).toMatchObject({ error: 1, since: 5, lastAt: 5, count: 1, atOnce: 1, jitter: 0.1 });
    expect(second).toMatchObject({ error: 2, since: 5, lastAt: 5_050, count: 2, atOnce: 1, jitter: 0.2 });
    expect(late).toMatchObject({ error: 3, since: 10_060, lastAt: 10_060, count: 1, atOnce: 1 });
    expect(other).toMatchObject({ kind: 'full', error: 4, since: 6_010, lastAt: 6_010, count: 1, atOnce: 1 });
  });

  it('rests for a second after several attempts side by side, which have used up what one second allows', () => {
    const attempts = [1, 2, 3].map((error) => ({ kind: 'transient' as const, error, beganAt: 0 }));
    let failures: ConnectFailures | undefined;
    for (const [i, attempt] of attempts.entries()) failures = afterFailure(failures, attempt, 10 + i, 0);
    expect(retryAt(failures!, true)).toBe(1_010);
  });
});
