import { Pool } from '@tenure/core/pg';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { runCalls } from '../contract/load.js';
import { listenAndCount } from '../support/countingListener.js';
import { seedFrom } from '../support/seed.js';
import { isStated } from './contract/subject.js';
import { errorMessage, type Misdeed, PHASES, type Phase, RIGHT, serve } from './hostileServer.js';

const RUNS = Number(process.env.HOSTILE_RUNS ?? 240);
const SEED = seedFrom('HOSTILE_SEED');
/** Cases played side by side: most of their time they wait. */
const AT_ONCE = 40;

const LIMITS = { connectTimeoutMs: 200, acquireTimeoutMs: 400, healthTimeoutMs: 200, maxConnections: 2 };
const QUERY_TIMEOUT_MS = 200;
/** Generous: forty at a time, on a machine that may have other things to do. */
const ANSWERED_WITHIN_MS = LIMITS.acquireTimeoutMs + QUERY_TIMEOUT_MS + 4_000;

interface Case {
  readonly phase: Phase;
  readonly misdeed: Misdeed;
  /** The number of statements. With prepared statements, the pool first sends a query of its own. */
  readonly statements: number;
}

/**
 * pg-protocol 1.x reads on for ever in an error or a notice that has no end, whatever pool is around it: a loop that nothing on this side of its
 * parser can stop. So what is random here begins neither; errors that are whole, and parts of them, come all the same.
 */
const ENDLESS = ['E', 'N'].map((letter) => letter.charCodeAt(0));
const body = (maxLength: number) =>
  fc.uint8Array({ maxLength }).map((drawn) => drawn.map((byte) => (ENDLESS.includes(byte) ? 0 : byte)));
const code = fc.constantFrom(...'RSKZTDCAn123stGHWdcvV'.split(''));
const bytes = (text: fc.Arbitrary<string>) => text.map((one) => Buffer.from(one, 'latin1'));
const length = fc.oneof(fc.nat(40), fc.constantFrom(0, 1, 3, 4, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1));
/** Looks like a message: a code, a length that may be a lie, and something of a body. */
const lie = fc.tuple(code, length, body(40)).map(([letter, claimed, rest]) => {
  const header = Buffer.alloc(5, letter);
  header.writeUInt32BE(claimed, 1);
  return Buffer.concat([header, rest]);
});
const error = fc
  .tuple(
    fc.constantFrom('ERROR', 'FATAL', 'PANIC', 'FEHLER'),
    fc.constantFrom('57P01', '57P03', '53300', '28P01', '3D000', '08P01', '25006', '42601', 'XXXXX', ''),
  )
  .map(([severity, sqlstate]) => errorMessage(severity, sqlstate, 'something is wrong'));
const truncated = fc
  .tuple(fc.constantFrom(...PHASES), fc.nat(60))
  .map(([phase, count]) => RIGHT[phase].subarray(0, Math.min(count, Math.max(0, RIGHT[phase].length - 1))));
const anything = fc.oneof(
  body(60),
  bytes(fc.constantFrom('HTTP/1.1 400 Bad Request\r\n\r\n', 'S', '\0\0\0\0')),
  lie,
  lie,
  error,
  error,
  truncated,
  fc.constantFrom(...PHASES.map((phase) => RIGHT[phase])),
);

const misdeed: fc.Arbitrary<Misdeed> = fc.oneof(
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('end', 'reset', 'fall silent') }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('say'),
      bytes: anything,
      next: fc.constantFrom('end', 'reset', 'fall silent', 'go on'),
    }),
  },
);
const cases: fc.Arbitrary<Case> = fc.record({
  phase: fc.constantFrom(...PHASES),
  misdeed,
  statements: fc.constantFrom(0, 100),
});

/** Errors that were not caught. */
const stray: unknown[] = [];
const onStray = (reason: unknown) => stray.push(reason);
beforeAll(() => void process.on('uncaughtException', onStray).on('unhandledRejection', onStray));
afterAll(() => void process.off('uncaughtException', onStray).off('unhandledRejection', onStray));

/** Asks a server that misbehaves, and lists what was wrong with how the pool took it. */
async function play({ phase, misdeed: deed, statements }: Case): Promise<string[]> {
  const server = await listenAndCount((socket) => serve(socket, phase, deed));
  const { host, port } = server;
  const pool = new Pool({
    host,
    port,
    user: 'app',
    password: 'secret',
    database: 'app',
    query_timeout: QUERY_TIMEOUT_MS,
    policy: { ...LIMITS, statements },
  });
  const wrong: string[] = [];
  const hung = new Promise((_, reject) => void setTimeout(reject, ANSWERED_WITHIN_MS, new Error('it hung')).unref());
  const outcomes = await Promise.race([runCalls(4, 3, () => pool.query('select 1')), hung]).catch(() =>
    wrong.push('a query hung'),
  );
  if (Array.isArray(outcomes)) {
    for (const { error: reason } of outcomes) {
      if (reason !== undefined && !isStated(reason)) wrong.push(`a query failed with ${String(reason)}`);
    }
  }
  await Promise.race([pool.drain(200), hung]).catch(() => wrong.push('the drain hung'));
  if (pool.totalCount > 0) wrong.push(`${pool.totalCount} connections are left in the pool`);
  for (let look = 0; look < 100 && server.connected() > 0; look++) await new Promise((next) => setTimeout(next, 20));
  if (server.connected() > 0) wrong.push(`${server.connected()} sockets are left open`);
  return wrong;
}

function describeCase({ phase, misdeed: deed, statements }: Case): string {
  const when = `${phase} (statements ${statements})`;
  if (deed.do !== 'say') return `${when}: ${deed.do}`;
  return `${when}: says ${Buffer.from(deed.bytes).toString('hex')}, then ${deed.next}`;
}

it(`${RUNS} servers that lie, break off or fall silent: no crash, no hang, an error that says why, nothing left open (seed ${SEED})`, async () => {
  // That they have never connected, most of these pools say.
  vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  const wrong: Record<string, string[]> = {};
  const drawn = fc.sample(cases, { numRuns: RUNS, seed: SEED });
  for (let first = 0; first < RUNS; first += AT_ONCE) {
    const batch = drawn.slice(first, first + AT_ONCE);
    const found = await Promise.all(batch.map(play));
    for (const [index, problems] of found.entries()) {
      if (problems.length > 0) wrong[describeCase(batch[index]!)] = problems;
    }
    if (stray.length > 0) wrong[`one of these: ${batch.map(describeCase).join('; ')}`] = stray.splice(0).map(String);
  }
  expect(wrong).toEqual({});
}, 60_000);
