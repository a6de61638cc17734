import type { Counters, PlanCounts, Recording, Refusal, Sample, ServerFacts, Session, Statement } from './sample.js';

/**
 * A recording is text, one JSON object a line: a header (`server`), samples (`t`, `d`, `r`), refused logins (`refused`), and at the
 * end the plan counts (`plans`). Header, refusals and plans may be missing. docs/doctor.md has the format.
 */

interface SampleLine {
  t: number;
  d: CountersLine;
  /** Other databases, by name. */
  o?: Record<string, CountersLine>;
  r: RowLine[];
  /** Transactions that the sampler had run before this sample. */
  x?: number;
  /** When the server was started. */
  b?: number;
  /** The last statement and the age of its horizon, by process ID. */
  q?: Record<string, [string, number | null]>;
}

interface CountersLine {
  xc: number;
  xr: number;
  ss: number;
  ab: number;
  fa: number;
  ki: number;
  st: number;
  at: number;
  rs?: number | null;
}

/** pid, started, role, state, state since, transaction since, wait event, application; then database, address, blockers, flags. */
type RowLine = [
  number,
  number | null,
  string | null,
  string | null,
  number | null,
  number | null,
  string | null,
  string,
  (string | null)?,
  (string | null)?,
  number[]?,
  number?,
];

/** Flags of a row, added up. */
const UNTOUCHED = 1;
const OWN = 2;

/** What is wrong with a recording, and in which line. */
export class RecordingError extends Error {
  override readonly name = 'RecordingError';
}

/** The database of a recording without a header, whose name is unknown. */
const UNNAMED = '';

/** Values for what a header leaves out. */
const UNSTATED: Omit<ServerFacts, 'database' | 'maxConnections' | 'reservedConnections'> = {
  version: 'unknown',
  versionNumber: 0,
  role: 'unknown',
  superuser: false,
  readsAllStats: false,
  standby: false,
  pooler: false,
  roleLimits: {},
  databaseLimits: {},
  tcpKeepalivesIdleSeconds: 0,
};

/** Used when a recording does not count the sampler's own transactions: it ran two for each sample, its counters and its rows. */
const ASSUMED_OWN_PER_SAMPLE = 2;

/** @throws {RecordingError} for a line that is not JSON, or not part of a recording */
export function readRecording(text: string): Recording {
  const samples: Sample[] = [];
  const refusals: Refusal[] = [];
  let server: ServerFacts | null = null;
  let plans: PlanCounts | null = null;
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const value = parseLine(line, index + 1);
    if (isServerLine(value)) server = { ...UNSTATED, ...value.server };
    else if (isRefusalLine(value)) refusals.push({ at: value.t, ...value.refused });
    else if (isPlansLine(value)) plans = value.plans;
    else if (isSampleLine(value)) samples.push(sampleOf(value, server?.database ?? UNNAMED, samples.length));
    else throw new RecordingError(`Line ${index + 1} of the recording is neither a sample nor a header.`);
  }
  if (samples.length === 0 && refusals.length === 0) throw new RecordingError('The recording has no samples.');
  return { server, samples: samples.sort((a, b) => a.at - b.at), refusals, plans };
}

/** The recording as text, from which `readRecording` makes the same recording. */
export function recordingText({ server, samples, refusals, plans }: Recording): string {
  const lines = [
    ...(server ? [serverLine(server)] : []),
    ...samples.map((sample) => sampleLine(sample, server?.database ?? UNNAMED)),
    ...refusals.map(refusalLine),
    ...(plans ? [plansLine(plans)] : []),
  ];
  return `${lines.join('\n')}\n`;
}

function serverLine(server: ServerFacts): string {
  return JSON.stringify({ server });
}

function refusalLine({ at, ...refused }: Refusal): string {
  return JSON.stringify({ t: at, refused });
}

function plansLine(plans: PlanCounts): string {
  return JSON.stringify({ plans });
}

function sampleLine(sample: Sample, database: string): string {
  const { [database]: own, ...others } = sample.counters;
  const line: SampleLine = {
    t: sample.at,
    d: countersLine(own ?? NO_COUNTERS),
    r: sample.sessions.map(rowLine),
    x: sample.ownTransactions,
  };
  if (Object.keys(others).length > 0) {
    line.o = Object.fromEntries(Object.entries(others).map(([name, counters]) => [name, countersLine(counters)]));
  }
  if (sample.bootAt !== null) line.b = sample.bootAt;
  if (sample.statements) {
    const pairs = Object.entries(sample.statements).map(([pid, { text, horizonAge }]) => [pid, [text, horizonAge]]);
    line.q = Object.fromEntries(pairs);
  }
  return JSON.stringify(line);
}

function parseLine(line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new RecordingError(`Line ${number} of the recording is not JSON.`);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isServerLine(value: unknown): value is { server: ServerFacts } {
  if (!isObject(value) || !isObject(value.server)) return false;
  const { maxConnections, reservedConnections, database } = value.server;
  return typeof maxConnections === 'number' && typeof reservedConnections === 'number' && typeof database === 'string';
}

function isRefusalLine(value: unknown): value is { t: number; refused: { code: string; message: string } } {
  return isObject(value) && typeof value.t === 'number' && isObject(value.refused);
}

function isPlansLine(value: unknown): value is { plans: PlanCounts } {
  return isObject(value) && isObject(value.plans);
}

function isSampleLine(value: unknown): value is SampleLine {
  if (!isObject(value) || typeof value.t !== 'number' || !isObject(value.d) || !Array.isArray(value.r)) return false;
  return value.r.every((row) => Array.isArray(row) && typeof row[0] === 'number');
}

function sampleOf(line: SampleLine, database: string, index: number): Sample {
  const others = Object.entries(line.o ?? {}).map(([name, counters]) => [name, countersOf(counters)] as const);
  return {
    at: line.t,
    counters: { [database]: countersOf(line.d), ...Object.fromEntries(others) },
    sessions: line.r.map((row) => sessionOf(row, database)),
    ownTransactions: line.x ?? ASSUMED_OWN_PER_SAMPLE * index,
    bootAt: line.b ?? null,
    ...(line.q ? { statements: statementsOf(line.q) } : {}),
  };
}

function statementsOf(lines: NonNullable<SampleLine['q']>): Record<string, Statement> {
  const pairs = Object.entries(lines).map(([pid, [text, horizonAge]]) => [pid, { text, horizonAge }] as const);
  return Object.fromEntries(pairs);
}

const NO_COUNTERS: Counters = {
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

function countersOf({ xc, xr, ss, ab, fa, ki, st, at, rs }: CountersLine): Counters {
  return {
    commits: xc ?? 0,
    rollbacks: xr ?? 0,
    sessions: ss ?? 0,
    abandoned: ab ?? 0,
    fatal: fa ?? 0,
    killed: ki ?? 0,
    sessionMs: st ?? 0,
    activeMs: at ?? 0,
    resetAt: rs ?? null,
  };
}

function countersLine(counters: Counters): CountersLine {
  const { commits, rollbacks, sessions, abandoned, fatal, killed, sessionMs, activeMs, resetAt } = counters;
  return {
    xc: commits,
    xr: rollbacks,
    ss: sessions,
    ab: abandoned,
    fa: fatal,
    ki: killed,
    st: sessionMs,
    at: activeMs,
    rs: resetAt,
  };
}

function sessionOf(row: RowLine, recorded: string): Session {
  const [pid, startedAt, user, state, stateAt, transactionAt, waitEvent, application] = row;
  const [database, address, blockedBy, flags = 0] = row.slice(8) as [string?, string?, number[]?, number?];
  return {
    pid,
    startedAt: startedAt ?? null,
    user: user ?? null,
    database: database === undefined ? recorded : database,
    application: application ?? '',
    address: address ?? null,
    state: state ?? null,
    stateAt: stateAt ?? null,
    transactionAt: transactionAt ?? null,
    waitEvent: waitEvent ?? null,
    blockedBy: blockedBy ?? [],
    untouched: (flags & UNTOUCHED) > 0,
    own: (flags & OWN) > 0,
  };
}

function rowLine(session: Session): RowLine {
  const { pid, startedAt, user, state, stateAt, transactionAt, waitEvent, application } = session;
  const { database, address, blockedBy } = session;
  const flags = (session.untouched ? UNTOUCHED : 0) + (session.own ? OWN : 0);
  const row: RowLine = [pid, startedAt, user, state, stateAt, transactionAt, waitEvent, application, database, address];
  if (blockedBy.length > 0 || flags > 0) row.push([...blockedBy]);
  if (flags > 0) row.push(flags);
  return row;
}
