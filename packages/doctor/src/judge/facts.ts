import {
  type Counters,
  isHidden,
  isLogin,
  type Recording,
  type Refusal,
  type Sample,
  type ServerFacts,
} from '../sample/sample.js';
import { type Group, groupsOf } from './groups.js';
import { type Life, livesOf } from './lives.js';

/** Logins in progress at the same moment. Any app has one or two of them; three are a sign of a crowd. */
const LOGINS_THAT_STAND_OUT = 3;
/** Share of the samples that show such a crowd. A start-up shows it in fewer. */
export const LOGIN_SHARE = 0.5;
const LEAST_SECONDS = 3;
const TOO_MANY_CONNECTIONS = '53300';

/** PostgreSQL's own defaults, used when a recording has no header. */
const DEFAULT_LIMIT = { maxConnections: 100, reservedConnections: 3 };

/** The input of the rules: a window of samples without a restart of the server in it, and the figures computed from them. */
export interface Facts {
  readonly server: ServerFacts | null;
  /** Connections that the server gives to ordinary roles. */
  readonly limit: number;
  readonly samples: readonly Sample[];
  readonly from: number;
  readonly to: number;
  readonly seconds: number;
  readonly lives: readonly Life[];
  readonly groups: readonly Group[];
  /** Logins in progress at each sample. */
  readonly logins: readonly number[];
  /** The ends of logins that never became sessions. */
  readonly failedLogins: readonly number[];
  /** The rise of each database's counters in the window; null where they were reset. */
  readonly rises: ReadonlyMap<string, Rise | null>;
  /** Logins that the server refused because no slot was free. */
  readonly refusals: readonly Refusal[];
  readonly otherRefusals: readonly Refusal[];
  readonly plans: Recording['plans'];
  /** Share of the sessions seen whose state the role may not see. */
  readonly hiddenShare: number;
  /** When the server was started, if that was within the recording. */
  readonly restartedAt: number | null;
  /** An unused stretch counts when it is at least this long. */
  readonly restMs: number;
}

export interface Rise {
  /** The doctor's own are left out, and so is the one that each login runs. */
  readonly transactions: number;
  readonly rollbacks: number;
  /** Sessions opened in the window. The counter is late by up to ten seconds, so sessions that were young at its start are left out. */
  readonly sessions: number;
  readonly abandoned: number;
  readonly ended: number;
}

const SHORTEST_REST_MS = 2_000;
const LONGEST_REST_MS = 8_000;
const REST_SHARE_OF_WINDOW = 0.75;

export function factsOf({ server, samples: all, refusals, plans }: Recording): Facts {
  const { samples, restartedAt } = longestWithoutRestart(all);
  const from = samples[0]?.at ?? 0;
  const to = samples.at(-1)?.at ?? 0;
  const { lives, failedLogins } = livesOf(samples);
  const { maxConnections, reservedConnections } = server ?? DEFAULT_LIMIT;
  return {
    server,
    limit: Math.max(1, maxConnections - reservedConnections),
    samples,
    from,
    to,
    seconds: (to - from) / 1_000,
    lives,
    groups: groupsOf(samples, lives),
    logins: samples.map(({ sessions }) => sessions.filter(isLogin).length),
    failedLogins,
    rises: risesOf(samples, lives, server),
    refusals: refusals.filter(({ code }) => code === TOO_MANY_CONNECTIONS),
    otherRefusals: refusals.filter(({ code }) => code !== TOO_MANY_CONNECTIONS),
    plans,
    hiddenShare: hiddenShare(samples),
    restartedAt,
    restMs: Math.min(LONGEST_REST_MS, Math.max(SHORTEST_REST_MS, (to - from) * REST_SHARE_OF_WINDOW)),
  };
}

/** The share of the samples between two moments that show a crowd of logins. */
export function loginShare({ samples, logins }: Facts, from: number, to: number): number {
  const within = logins.filter((_, index) => samples[index]!.at >= from && samples[index]!.at <= to);
  return within.length === 0 ? 0 : within.filter((number) => number >= LOGINS_THAT_STAND_OUT).length / within.length;
}

/** The moments at which a crowd of logins was seen. */
export function loginMoments({ samples, logins }: Facts): number[] {
  return samples.filter((_, index) => logins[index]! >= LOGINS_THAT_STAND_OUT).map(({ at }) => at);
}

/** The moments at which a full server had no connection for a client: crowds of logins, and failed logins, the doctor's own included. */
export function unmetMoments(facts: Facts, from: number, to: number): number[] {
  const { failedLogins, refusals } = facts;
  const moments = [...loginMoments(facts), ...failedLogins, ...refusals.map(({ at }) => at)];
  return moments.filter((at) => at >= from && at <= to);
}

/** Whether half of the samples show crowds of logins, or logins failed again and again. */
export function isAskedForMore(facts: Facts, from: number, to: number): boolean {
  const seconds = new Set(unmetMoments(facts, from, to).map((at) => Math.floor(at / 1_000)));
  return loginShare(facts, from, to) >= LOGIN_SHARE || seconds.size >= LEAST_SECONDS;
}

export function riseOf({ rises }: Facts, database: string | null): Rise | null {
  return rises.get(database ?? '') ?? null;
}

/** What the counters were at a moment. */
export function countersAt({ samples }: Facts, time: number, database: string): Counters | undefined {
  return samples.filter(({ at }) => at <= time).at(-1)?.counters[database];
}

/** The longest part between two restarts. A restart ends every session at once, so figures across it would be wrong. */
function longestWithoutRestart(samples: readonly Sample[]) {
  const parts: Sample[][] = [];
  let bootAt: number | null = null;
  for (const sample of samples) {
    if (parts.length === 0 || sample.bootAt !== bootAt) parts.push([]);
    bootAt = sample.bootAt;
    parts.at(-1)!.push(sample);
  }
  const length = (part: Sample[]) => part.at(-1)!.at - part[0]!.at;
  const longest = parts.reduce<Sample[]>((best, part) => (best[0] && length(best) >= length(part) ? best : part), []);
  return { samples: longest, restartedAt: parts.length > 1 ? (parts.at(-1)![0]!.bootAt ?? null) : null };
}

function hiddenShare(samples: readonly Sample[]): number {
  let all = 0;
  let hidden = 0;
  for (const { sessions } of samples) {
    for (const session of sessions) {
      if (isLogin(session)) continue;
      all++;
      if (isHidden(session)) hidden++;
    }
  }
  return all === 0 ? 0 : hidden / all;
}

/** A backend reports its counters once a second while busy, and ten seconds after its last work when idle. */
const REPORTED_WITHIN_MS = 10_000;

function risesOf(
  samples: readonly Sample[],
  lives: readonly Life[],
  server: ServerFacts | null,
): Map<string, Rise | null> {
  const first = samples[0];
  const last = samples.at(-1);
  if (!first || !last) return new Map();
  const own = server?.database ?? '';
  return new Map(
    Object.entries(last.counters).map(([database, after]) => {
      // A database has no counters before its first session.
      const before = samples.find(({ counters }) => database in counters)?.counters[database];
      if (!before || after.resetAt !== before.resetAt || after.commits < before.commits) return [database, null];
      const mine = database === own ? last.ownTransactions - first.ownTransactions : 0;
      const young = lives.filter(
        (life) => !life.born && (life.database ?? '') === database && life.bornAt > first.at - REPORTED_WITHIN_MS,
      ).length;
      const sessions = Math.max(0, after.sessions - before.sessions - young);
      const rollbacks = Math.max(0, after.rollbacks - before.rollbacks);
      const transactions = after.commits - before.commits + rollbacks - mine - (after.sessions - before.sessions);
      return [
        database,
        {
          transactions: Math.max(0, transactions),
          rollbacks,
          sessions,
          abandoned: Math.max(0, after.abandoned - before.abandoned),
          ended: lives.filter((life) => life.died && (life.database ?? '') === database).length,
        },
      ];
    }),
  );
}
