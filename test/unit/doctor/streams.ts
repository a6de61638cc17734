import type { Recording, Sample, ServerFacts, Session } from '@tenure/doctor';

/** Made-up windows: sessions that do what a test says, seen five times a second. Times are seconds since the window began. */

export const SERVER: ServerFacts = {
  version: '18.4',
  versionNumber: 180_004,
  database: 'shop',
  role: 'doctor',
  superuser: false,
  readsAllStats: true,
  standby: false,
  pooler: false,
  maxConnections: 100,
  reservedConnections: 3,
  roleLimits: {},
  databaseLimits: {},
  tcpKeepalivesIdleSeconds: 7_200,
};

export interface Acting {
  /** When it was opened; before the window by default. */
  from?: number;
  /** When it ended; never by default. */
  to?: number;
  /** Seconds between its transactions; never by default. */
  every?: number;
  /** The last of them, if it then rests. */
  until?: number;
  user?: string;
  application?: string;
  address?: string | null;
  state?: string;
  /** The start of its state. */
  since?: number;
  transactionSince?: number;
  waitsFor?: number[];
  waitEvent?: string;
  untouched?: boolean;
  hidden?: boolean;
  /** A login that has not got any further. */
  login?: boolean;
  pid?: number;
}

export interface Shape {
  seconds?: number;
  every?: number;
  /** Transactions and rollbacks up to a moment, beyond those of the sessions. */
  transactions?: (second: number) => number;
  rollbacks?: (second: number) => number;
  abandoned?: (second: number) => number;
  /** Sessions that no sample shows. */
  unseen?: (second: number) => number;
  server?: Partial<ServerFacts> | null;
  resetAt?: number;
  bootAt?: (second: number) => number;
}

const BEGUN = 1_800_000_000_000;
const LONG_AGO = -3_600;

export function windowOf(sessions: readonly Acting[], shape: Shape = {}): Recording {
  const { seconds = 10, every = 0.2, server } = shape;
  const numbered = sessions.map((session, index) => ({ pid: 1_000 + index, ...session }));
  const times = Array.from({ length: Math.round(seconds / every) + 1 }, (_, index) => index * every);
  return {
    server: server === null ? null : { ...SERVER, ...server },
    samples: times.map((second, index) => sampleAt(second, index, numbered, shape)),
    refusals: [],
    plans: null,
  };
}

/** This many of a kind; the function gives the differences. */
export function many(number: number, of: (index: number) => Acting): Acting[] {
  return Array.from({ length: number }, (_, index) => of(index));
}

const at = (second: number) => Math.round(BEGUN + second * 1_000);

function sampleAt(
  second: number,
  index: number,
  sessions: readonly (Acting & { pid: number })[],
  shape: Shape,
): Sample {
  const there = sessions.filter(({ from = LONG_AGO, to = Infinity }) => from <= second && second < to);
  const opened = sessions.filter(({ from = LONG_AGO, login }) => !login && from >= 0 && from <= second).length;
  const used = sessions.reduce((sum, session) => sum + uses(session, second), 0);
  const rollbacks = Math.round(shape.rollbacks?.(second) ?? 0);
  const unseen = Math.round(shape.unseen?.(second) ?? 0);
  const transactions = Math.round(shape.transactions?.(second) ?? 0) + used + opened + unseen;
  return {
    at: at(second),
    bootAt: shape.bootAt ? at(shape.bootAt(second)) : at(LONG_AGO),
    ownTransactions: index,
    counters: {
      shop: {
        commits: 1_000 + transactions - rollbacks + index,
        rollbacks,
        sessions: 500 + opened + unseen,
        abandoned: Math.round(shape.abandoned?.(second) ?? 0),
        fatal: 0,
        killed: 0,
        sessionMs: 0,
        activeMs: 0,
        resetAt: shape.resetAt !== undefined && second >= shape.resetAt ? at(shape.resetAt) : null,
      },
    },
    sessions: there.map((session) => sessionAt(session, second)),
  };
}

function uses({ from = LONG_AGO, to = Infinity, until = Infinity, every }: Acting, second: number): number {
  if (every === undefined) return 0;
  const last = Math.min(second, to, until);
  return Math.max(0, Math.floor((last - Math.max(0, from)) / every));
}

function sessionAt(session: Acting & { pid: number }, second: number): Session {
  const {
    pid,
    from = LONG_AGO,
    user = 'app',
    application = '',
    address = null,
    state = 'idle',
    hidden,
    login,
  } = session;
  const lastUse = Math.max(0, from) + uses(session, second) * (session.every ?? 0);
  const since = session.since ?? (uses(session, second) > 0 ? lastUse : from);
  const visible = !hidden && !login;
  return {
    pid,
    startedAt: hidden ? null : at(from),
    user: login ? null : user,
    database: login ? null : 'shop',
    application: login ? '' : application,
    address,
    state: visible ? state : null,
    stateAt: visible ? at(since) : null,
    transactionAt: session.transactionSince === undefined ? null : at(session.transactionSince),
    waitEvent: session.waitEvent ?? (visible ? 'ClientRead' : null),
    blockedBy: session.waitsFor ?? [],
    untouched: session.untouched ?? false,
    own: false,
  };
}
