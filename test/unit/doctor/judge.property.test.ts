import { judge, type Recording, type Report, reportOf, type Sample, type Session } from '@tenure/doctor';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { violations } from './schema.js';
import { SERVER } from './streams.js';

/** Recordings of anything: clocks that jump, process IDs that come again, counters that fall, states that no server has. */
const time = fc.integer({ min: 0, max: 20_000 });
const session: fc.Arbitrary<Session> = fc.record({
  pid: fc.integer({ min: 1, max: 40 }),
  startedAt: fc.option(fc.constantFrom(0, 1_000, 5_000, -4_000_000, 12_000)),
  user: fc.option(fc.constantFrom('app', 'other')),
  database: fc.option(fc.constantFrom('shop', 'other', '')),
  application: fc.constantFrom('', 'psql', 'pgbouncer', 'puma 1', 'puma 2', '__proto__'),
  address: fc.option(fc.constantFrom('10.0.0.1', '10.0.0.2')),
  state: fc.option(fc.constantFrom('idle', 'active', 'idle in transaction', 'idle in transaction (aborted)', 'odd')),
  stateAt: fc.option(time),
  transactionAt: fc.option(time),
  waitEvent: fc.option(fc.constantFrom('ClientRead', 'tuple', 'transactionid', 'advisory')),
  blockedBy: fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 2 }),
  untouched: fc.boolean(),
  own: fc.boolean(),
});
const counters = fc.record({
  commits: fc.integer({ min: 0, max: 10_000 }),
  rollbacks: fc.integer({ min: 0, max: 1_000 }),
  sessions: fc.integer({ min: 0, max: 1_000 }),
  abandoned: fc.integer({ min: 0, max: 1_000 }),
  fatal: fc.constant(0),
  killed: fc.constant(0),
  sessionMs: fc.constant(0),
  activeMs: fc.constant(0),
  resetAt: fc.constantFrom(null, null, null, 5),
});
const sample: fc.Arbitrary<Sample> = fc.record({
  at: time,
  counters: fc.dictionary(fc.constantFrom('shop', 'other', ''), counters),
  sessions: fc.oneof(
    { weight: 19, arbitrary: fc.array(session, { maxLength: 4 }) },
    { weight: 1, arbitrary: session.map((one) => Array.from({ length: 98 }, (_, pid) => ({ ...one, pid }))) },
  ),
  ownTransactions: fc.integer({ min: 0, max: 100 }),
  bootAt: fc.constantFrom(null, 0, 0, 0, 9_000),
});
const refusal = fc.record({ at: time, code: fc.constantFrom('53300', '57P03', 'LOST'), message: fc.constant('no') });
const recording: fc.Arbitrary<Recording> = fc.record({
  server: fc.constantFrom(
    null,
    SERVER,
    { ...SERVER, pooler: true },
    { ...SERVER, roleLimits: { app: 3 }, databaseLimits: { shop: 0 } },
  ),
  samples: fc.array(sample, { maxLength: 6 }).map((samples) => samples.sort((a, b) => a.at - b.at)),
  refusals: fc.array(refusal, { maxLength: 2 }),
  plans: fc.option(fc.record({ calls: fc.nat(1_000), callsPlannedEachTime: fc.nat(1_000) })),
});

/** The same few sessions, seen again and again: what makes lives and rates. */
const steady: fc.Arbitrary<Recording> = fc
  .tuple(
    recording,
    fc.array(session, { minLength: 1, maxLength: 12 }),
    fc.array(fc.nat(1_000), { minLength: 5, maxLength: 20 }),
  )
  .map(([base, sessions, moves]) => ({
    ...base,
    samples: moves.map((move, index) => ({
      at: index * 500,
      bootAt: null,
      ownTransactions: index,
      counters: { shop: { ...NO_COUNTERS, commits: move * index, rollbacks: index, sessions: index * (move % 5) } },
      sessions: sessions
        .filter((_, number) => (number * 7 + index * move) % 4 !== 0)
        .map((one) => ({ ...one, stateAt: (one.stateAt ?? 0) + move * index })),
    })),
  }));
const NO_COUNTERS = {
  commits: 0,
  rollbacks: 0,
  sessions: 0,
  abandoned: 0,
  fatal: 0,
  killed: 0,
  sessionMs: 0,
  activeMs: 0,
  resetAt: null,
};

/** Words for what no report may have. */
function faultsOf(report: Report): string[] {
  const alarms = report.findings.filter(({ severity }) => severity !== 'info');
  const faulty = report.findings.flatMap(({ id, evidence, text, fix }) => [
    ...(Object.keys(evidence).length === 0 ? [`${id} has no evidence`] : []),
    ...(Object.values(evidence).some((value) => Number.isNaN(value)) ? [`${id}: ${JSON.stringify(evidence)}`] : []),
    ...(/NaN|undefined|Infinity|null/.test(`${text} ${fix}`) ? [`${id}: ${text} ${fix}`] : []),
  ]);
  const verdict = (report.verdict === 'findings') === alarms.length > 0 ? [] : [`${report.verdict} beside alarms`];
  return [...faulty, ...verdict, ...violations(report)];
}

test('of 10,000 recordings of anything: no crash, no finding without evidence, never healthy beside what is critical', {
  timeout: 120_000,
}, () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.oneof(recording, steady), (one) => {
      const report = reportOf(judge(one));
      for (const { id, severity } of report.findings) seen.add(`${severity} ${id}`);
      const faults = faultsOf(report);
      if (faults.length > 0) throw new Error(faults.join('\n'));
    }),
    { numRuns: 10_000 },
  );
  // The recordings are odd enough to make most of what can be found.
  expect(seen.size).toBeGreaterThan(12);
});

test('the same recording has the same judgement', () => {
  fc.assert(
    fc.property(steady, (one) => {
      expect(reportOf(judge(one))).toEqual(reportOf(judge(structuredClone(one))));
    }),
    { numRuns: 100 },
  );
});
