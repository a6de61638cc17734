import { advise, parsePolicy, type SizingFacts, TenureUsageError } from '@tenure/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { waitingShare } from '../../../packages/core/src/policy/advise.js';

const SERVER = { maxConnections: 100 };
const LOAD = { perSecond: 400, useMs: 5 };

const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const someFacts: fc.Arbitrary<SizingFacts> = fc.record({
  server: fc.record({
    maxConnections: fc.integer({ min: 1, max: 5_000 }),
    reservedConnections: optional(fc.integer({ min: 0, max: 50 })),
    roleLimit: optional(fc.integer({ min: 0, max: 5_000 })),
    databaseLimit: optional(fc.integer({ min: 0, max: 5_000 })),
    cores: optional(fc.integer({ min: 1, max: 256 })),
    otherSessions: optional(fc.integer({ min: 0, max: 5_000 })),
  }),
  processes: fc.integer({ min: 1, max: 1_000 }),
  load: optional(
    fc.record({
      perSecond: fc.double({ min: 0, max: 10_000, noNaN: true }),
      useMs: fc.double({ min: 0, max: 1_000, noNaN: true }),
      waitMs: optional(fc.double({ min: 0, max: 10_000, noNaN: true })),
      maxConnections: optional(fc.integer({ min: 1, max: 500 })),
    }),
  ),
});
const valuesOf = (facts: SizingFacts) => {
  const { maxConnections, reuseConnections, budget } = advise(facts);
  return { max: maxConnections.value, reuse: reuseConnections.value, budget: budget.value };
};

describe('advise', () => {
  it('divides what the server has for the app by the processes, where nothing else is known', () => {
    const { maxConnections, reuseConnections, budget, warnings } = advise({ server: SERVER, processes: 8 });
    expect(budget).toEqual({
      env: 'CONN_BUDGET',
      value: 77,
      reason: 'max_connections 100 less 3 reserved leaves 97; a fifth of them is kept for others.',
    });
    expect(maxConnections).toEqual({
      env: 'MAX_CONNS',
      value: 9,
      reason: '8 processes may have 9 each of the 77 that the server has for them; the load is not known.',
    });
    expect(reuseConnections).toMatchObject({ env: 'REUSE_CONNS', value: 9 });
    expect(warnings).toEqual([]);
  });

  it('follows the load: busy connections by Little’s law, and as many more that one caller in twenty waits', () => {
    const { maxConnections, reuseConnections, expected } = advise({ server: SERVER, processes: 8, load: LOAD });
    expect(maxConnections).toEqual({
      env: 'MAX_CONNS',
      value: 6,
      reason:
        '400 checkouts a second of 5 ms keep 2 connections busy (Little’s law); with 6, at most one caller in twenty waits. ' +
        '8 processes may have 9 each of the 77 that the server has for them.',
    });
    expect(reuseConnections.value).toBe(5);
    expect(expected).toMatchObject({ busy: 2, utilisation: 1 / 3 });
    expect(expected!.waitingShare).toBeCloseTo(0.018, 3);
    expect(expected!.waitMs).toBeCloseTo(0.0225, 4);
  });

  it('takes the least of the limits of server, role and database', () => {
    const of = (server: object) => advise({ server: { ...SERVER, ...server }, processes: 1 }).budget;
    expect(of({ roleLimit: 40 })).toMatchObject({ value: 40, reason: 'the role may have 40 connections.' });
    expect(of({ roleLimit: 40, databaseLimit: 30 }).value).toBe(30);
    expect(of({ otherSessions: 90 })).toMatchObject({ value: 7, reason: expect.stringContaining('90 are others') });
    expect(of({ reservedConnections: 20 }).value).toBe(64);
  });

  it('gives a load that does not fit what there is, says what happens, and what helps', () => {
    const load = { perSecond: 400, useMs: 20 };
    const { maxConnections, warnings } = advise({ server: SERVER, processes: 12, load });
    expect(maxConnections.value).toBe(6);
    expect(maxConnections.reason).toContain('With CONN_BUDGET=77 it may be 14: processes then lend each other');
    expect(warnings).toEqual([
      expect.stringMatching(/^One process wants 14 .* can have 6. The line grows without end/),
    ]);
  });

  it('warns of more processes than connections, and still gives each one', () => {
    const { maxConnections, warnings } = advise({ server: { maxConnections: 13 }, processes: 20 });
    expect(maxConnections.value).toBe(1);
    expect(warnings).toEqual([expect.stringMatching(/^20 processes do not fit into 8 connections/)]);
  });

  it('takes the cores of the server for a limit of what is useful, where the load is not known', () => {
    const { maxConnections } = advise({ server: { ...SERVER, cores: 8 }, processes: 4 });
    expect(maxConnections).toMatchObject({ value: 5, reason: expect.stringContaining('8 cores') });
    const busy = advise({ server: { ...SERVER, cores: 2 }, processes: 4, load: LOAD });
    expect(busy.warnings).toEqual([expect.stringMatching(/^8 connections are busy on average, for 2 cores/)]);
  });

  it('says when a wait has another cause than too few connections', () => {
    const load = { ...LOAD, waitMs: 50, maxConnections: 20 };
    const { warnings } = advise({ server: SERVER, processes: 2, load });
    expect(warnings).toEqual([expect.stringMatching(/^Callers wait 50 ms although only 10 % of 20 connections/)]);
    expect(advise({ server: SERVER, processes: 2, load: { ...load, maxConnections: 2 } }).warnings).toEqual([]);
  });

  it.each([
    [{ server: SERVER, processes: 0 }, 'processes = 0: wants a whole number from 1 to 1000000.'],
    [{ server: { maxConnections: 1.5 }, processes: 1 }, 'server.maxConnections = 1.5'],
    [{ server: { ...SERVER, cores: -1 }, processes: 1 }, 'server.cores = -1'],
    [
      { server: SERVER, processes: 1, load: { perSecond: Number.NaN, useMs: 1 } },
      'load.perSecond = NaN: wants a number',
    ],
    [{ server: SERVER, processes: 1, load: { perSecond: 1e6, useMs: 1e6 } }, 'load.perSecond × load.useMs'],
  ])('refuses what cannot be true: %j', (facts, message) => {
    expect(() => advise(facts)).toThrow(TenureUsageError);
    expect(() => advise(facts)).toThrow(message);
  });
});

describe('Whatever the facts', () => {
  it('the processes together stay within the budget, and the budget within every limit, unless one each is too much', () => {
    fc.assert(
      fc.property(someFacts, (facts) => {
        const { max, reuse, budget } = valuesOf(facts);
        const { maxConnections, reservedConnections = 3, roleLimit = 5_000, databaseLimit = 5_000 } = facts.server;
        expect(max * facts.processes <= budget || max === 1).toBe(true);
        expect(budget).toBeLessThanOrEqual(
          Math.max(1, Math.min(maxConnections - reservedConnections, roleLimit, databaseLimit)),
        );
        expect(reuse).toBeGreaterThanOrEqual(1);
        expect(reuse).toBeLessThanOrEqual(max);
      }),
    );
  });

  it('the advice is a policy that can be followed, the same each time, with a reason for each value', () => {
    fc.assert(
      fc.property(someFacts, (facts) => {
        const advice = advise(facts);
        expect(advise(facts)).toEqual(advice);
        const settings = [advice.maxConnections, advice.reuseConnections, advice.budget];
        const env = Object.fromEntries(settings.map(({ env: name, value }) => [name, String(value)]));
        expect(parsePolicy(env)).toMatchObject({ maxConnections: advice.maxConnections.value });
        for (const { reason } of settings) expect(reason).toMatch(/^\S.*\.$/);
        expect(JSON.stringify(advice)).not.toMatch(/NaN|undefined/);
      }),
    );
  });

  it('more processes never get more each, and more load never asks for less', () => {
    fc.assert(
      fc.property(someFacts, fc.integer({ min: 1, max: 50 }), (facts, more) => {
        expect(valuesOf({ ...facts, processes: facts.processes + more }).max).toBeLessThanOrEqual(valuesOf(facts).max);
        if (facts.load === undefined) return;
        const { perSecond } = facts.load;
        const busier = { ...facts, load: { ...facts.load, perSecond: perSecond + more } };
        expect(valuesOf(busier).max).toBeGreaterThanOrEqual(valuesOf(facts).max);
        expect(valuesOf(busier).reuse).toBeGreaterThanOrEqual(valuesOf(facts).reuse);
      }),
    );
  });

  it('where the load fits, no more than one caller in twenty waits', () => {
    fc.assert(
      fc.property(someFacts, (facts) => {
        const { expected, warnings } = advise(facts);
        if (expected === undefined || warnings.some((warning) => warning.startsWith('One process wants'))) return;
        expect(expected.waitingShare).toBeLessThanOrEqual(0.05);
        expect(expected.waitMs).toBeLessThanOrEqual(facts.load!.useMs);
      }),
    );
  });
});

describe('The share of callers that wait', () => {
  // M/M/1: the share is the utilisation. M/M/2: ρ² · 2 / (1 + ρ).
  it.each([0.1, 0.5, 0.9])('is that of the textbook at a utilisation of %d', (rho) => {
    expect(waitingShare(1, rho)).toBeCloseTo(rho, 12);
    expect(waitingShare(2, 2 * rho)).toBeCloseTo((2 * rho ** 2) / (1 + rho), 12);
  });

  it('is that of a queue that is run', () => {
    const random = seeded(7);
    const exponential = (mean: number) => -mean * Math.log(1 - random());
    const [connections, busy, calls] = [5, 3.5, 200_000];
    const freeAt = new Array<number>(connections).fill(0);
    let [now, waited] = [0, 0];
    for (let call = 0; call < calls; call++) {
      now += exponential(1 / busy);
      const first = freeAt.indexOf(Math.min(...freeAt));
      if (freeAt[first]! > now) waited++;
      freeAt[first] = Math.max(now, freeAt[first]!) + exponential(1);
    }
    expect(waited / calls).toBeCloseTo(waitingShare(connections, busy), 1);
  });
});

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
