import { countersAt, type Facts, type Rise, riseOf } from '../facts.js';
import type { Finding } from '../finding.js';
import { count, duration, mean, percent, plural, round } from '../format.js';
import type { Group } from '../groups.js';
import { fixOf } from '../stacks.js';
import { poolerNote } from './behindPooler.js';
import type { Rule } from './rule.js';

const PER_REQUEST = { births: 20, perSecond: 1, transactions: 10, fairTransactions: 50, lifeMs: 2_000 };
const BY_ERRORS = { births: 10, leastRollbacks: 0.5, mostRollbacks: 1.5, transactions: 30 };
const CRITICAL_PER_SECOND = 5;
/** An app above this share ends every transaction with ROLLBACK: a habit, not errors. */
const ROLLS_ALL_BACK = 0.9;
/** If fewer than this share of the opened sessions are seen, most live shorter than the time between two samples. */
const SEEN_SHARE = 0.5;
/** A script's burst ends sooner; an app goes on. */
const LASTS_MS = { least: 5_000, most: 8_000, share: 0.4 };
const LAST_SECONDS_SHARE = 0.4;
const SHORT_SHARE = 0.5;
const LEAST_SHORT = 2;
const SHORT_OF_ALL = 0.8;
/** Variance over mean of the ends. A process that ends closes many connections at one moment. */
const BURSTY = 3;
/** Share of a database's moves. Above it, the counters have another app's transactions too. */
const OTHERS_SHARE = 0.2;

/** Sessions that are opened and closed all the time: per request, or because each error closes one. */
export const churn: Rule = (facts) => {
  const found = facts.groups.flatMap((group) => judgeGroup(facts, group));
  const names = new Set(found.map(({ group }) => group));
  const explained = new Set(facts.groups.filter(({ name }) => names.has(name)).map(({ database }) => database ?? ''));
  return [...found, ...unseen(facts, explained)];
};

interface Churn {
  group: Group;
  /** Sessions opened: as seen, or as counted when the samples miss most of them. */
  opened: number;
  seen: number;
  perSecond: number;
  medianLifeMs: number | null;
  /** Transactions for each session opened; null when the counters have another app's too. */
  transactions: number | null;
  rollbacks: number | null;
  rollsAllBack: boolean;
}

function judgeGroup(facts: Facts, group: Group): Finding[] {
  if (group.births.length < BY_ERRORS.births || !lasts(facts, group)) return [];
  const churn = churnOf(facts, group);
  const isShort = shortShare(facts, group) >= SHORT_SHARE;
  if (closesByErrors(churn) && (isShort || !endsInBursts(facts, group))) return [closedByErrors(facts, churn)];
  if (churn.opened < PER_REQUEST.births || churn.perSecond < PER_REQUEST.perSecond || !isShort) return [];
  if (churn.transactions !== null && churn.transactions > PER_REQUEST.fairTransactions) return [];
  return [perRequest(facts, churn)];
}

function churnOf(facts: Facts, group: Group): Churn {
  const rise = riseOf(facts, group.database);
  const alone = isAlone(facts, group);
  const seen = group.births.length;
  const opened = alone && rise ? Math.max(seen, rise.sessions) : seen;
  return {
    group,
    opened,
    seen,
    perSecond: opened / Math.max(1, (group.to - group.from) / 1_000),
    medianLifeMs: group.medianLifeMs,
    ...perSession(rise, opened, alone),
  };
}

function perSession(rise: Rise | null, opened: number, alone: boolean) {
  if (!rise || opened === 0) return { transactions: null, rollbacks: null, rollsAllBack: false };
  return {
    transactions: alone ? rise.transactions / opened : null,
    rollbacks: rise.rollbacks / opened,
    rollsAllBack: alone && rise.rollbacks >= ROLLS_ALL_BACK * rise.transactions,
  };
}

/** Whether this group did nearly all the work in its database. The counters are the database's, and describe the group only then. */
function isAlone({ groups }: Facts, group: Group): boolean {
  const movesOf = ({ lives }: Group) => lives.reduce((sum, { moves, born }) => sum + moves.length + (born ? 1 : 0), 0);
  const inDatabase = groups.filter(({ database }) => database === group.database);
  const all = inDatabase.reduce((sum, one) => sum + movesOf(one), 0);
  return all - movesOf(group) <= OTHERS_SHARE * all;
}

function closesByErrors({ rollbacks, transactions, rollsAllBack }: Churn): boolean {
  if (rollbacks === null || transactions === null || rollsAllBack) return false;
  const { leastRollbacks, mostRollbacks } = BY_ERRORS;
  return rollbacks >= leastRollbacks && rollbacks <= mostRollbacks && transactions <= BY_ERRORS.transactions;
}

/** Whether births are spread over seconds, not one burst, and go on into the last third. */
function lasts({ from, to }: Facts, { births, from: begun, to: ended }: Group): boolean {
  const times = births.map(({ bornAt }) => bornAt).sort((a, b) => a - b);
  const length = times.at(-1)! - times[0]!;
  const needed = Math.min(LASTS_MS.most, Math.max(LASTS_MS.least, LASTS_MS.share * (to - from)), (to - from) / 2);
  const seconds = new Set(times.map((at) => Math.floor((at - times[0]!) / 1_000))).size;
  return (
    length >= needed && seconds * 1_000 >= LAST_SECONDS_SHARE * length && times.at(-1)! >= ended - (ended - begun) / 3
  );
}

/** Share of sessions that ended within two seconds, among those born early enough to show it. */
function shortShare({ to }: Facts, { births, to: ended }: Group): number {
  const old = births.filter(({ bornAt }) => bornAt <= Math.min(to, ended) - PER_REQUEST.lifeMs);
  const judged = old.length > 0 ? old : births.filter(({ died }) => died);
  const short = judged.filter(({ died, lastSeen, bornAt }) => died && lastSeen - bornAt < PER_REQUEST.lifeMs);
  return judged.length === 0 ? 0 : short.length / judged.length;
}

/** Independent ends are spread by chance: their variance equals their mean. A larger variance shows bursts. */
function endsInBursts({ samples }: Facts, { deaths, from, to }: Group): boolean {
  const ends = new Map(samples.filter(({ at }) => at >= from && at <= to).map(({ at }) => [at, 0]));
  for (const { lastSeen } of deaths) ends.set(lastSeen, (ends.get(lastSeen) ?? 0) + 1);
  const average = mean([...ends.values()]);
  const variance = mean(Array.from(ends.values(), (number) => (number - average) ** 2));
  return variance >= BURSTY * average;
}

/** More sessions are counted than seen, because none lives long enough for a sample. */
function unseen(facts: Facts, explained: ReadonlySet<string>): Finding[] {
  const { groups, rises, seconds } = facts;
  return [...rises].flatMap(([database, rise]) => {
    if (!rise || explained.has(database)) return [];
    const inDatabase = groups.filter((group) => (group.database ?? '') === database);
    const seen = inDatabase.reduce((sum, { births }) => sum + births.length, 0);
    const perSecond = rise.sessions / Math.max(1, seconds);
    if (rise.sessions < PER_REQUEST.births || perSecond < PER_REQUEST.perSecond) return [];
    if (seen >= SEEN_SHARE * rise.sessions || !goesOnUnseen(facts, database)) return [];
    const group = shortLivedGroup(inDatabase);
    const text = `${plural(rise.sessions, 'session was', 'sessions were')} opened in ${database || 'the database'} (${count(perSecond)} a second), and only ${count(seen)} of them lived long enough to be seen.`;
    return [
      {
        id: 'per-request',
        severity: perSecond >= CRITICAL_PER_SECOND ? 'critical' : 'warning',
        group: group?.name ?? null,
        evidence: { opened: rise.sessions, seen, perSecond: round(perSecond), database },
        what: text + poolerNote(facts),
        ...WHY_PER_REQUEST,
        fix: fixOf('per-request', group?.stack ?? 'unknown'),
      },
    ];
  });
}

/** The group whose sessions are opened and closed. The counter does not name it, so the few sessions seen must agree. */
function shortLivedGroup(groups: readonly Group[]): Group | undefined {
  const short = groups.map((group) => {
    const lives = group.births.filter(({ died, lastSeen, bornAt }) => died && lastSeen - bornAt < PER_REQUEST.lifeMs);
    return { group, number: lives.length };
  });
  const all = short.reduce((sum, { number }) => sum + number, 0);
  return short.find(({ number }) => number >= LEAST_SHORT && number >= SHORT_OF_ALL * all)?.group;
}

/** Whether the counter rises in each part of the window. A late report of earlier sessions is one step. */
function goesOnUnseen(facts: Facts, database: string): boolean {
  const { from, to } = facts;
  const PARTS = 4;
  const at = (part: number) => {
    const time = from + ((to - from) * part) / PARTS;
    return countersAt(facts, time, database)?.sessions ?? 0;
  };
  const rises = Array.from({ length: PARTS }, (_, part) => at(part + 1) - at(part));
  return rises.filter((rise) => rise > 0).length >= PARTS - 1;
}

const WHY_PER_REQUEST = {
  why: 'For each new connection the server starts a process, checks a login and fills its caches: milliseconds of CPU for every request.',
  cause:
    'Likeliest: the app connects for each request (no pool, a client created in the handler, CONN_MAX_AGE = 0). Second: a pool that closes idle connections at once. Then the number of sessions follows the load, and connections live longer than requests.',
};

function perRequest(facts: Facts, churn: Churn): Finding {
  const { group, opened, seen, perSecond, medianLifeMs, transactions, rollbacks } = churn;
  const each = transactions === null ? '' : ` Each served ${plural(transactions, 'transaction')}.`;
  const rolledBack = churn.rollsAllBack
    ? ' All its transactions are rolled back: it closes the connection without COMMIT, or every statement fails.'
    : '';
  const fair = transactions !== null && transactions > PER_REQUEST.transactions;
  const severity = group.stack === 'tool' ? 'info' : perSecond >= CRITICAL_PER_SECOND && !fair ? 'critical' : 'warning';
  return {
    id: 'per-request',
    severity,
    group: group.name,
    evidence: {
      opened,
      seen,
      perSecond: round(perSecond),
      medianLifeMs: Math.round(medianLifeMs ?? 0),
      ...(transactions === null ? {} : { transactionsPerSession: round(transactions, 1) }),
      ...(rollbacks === null ? {} : { rollbacksPerSession: round(rollbacks) }),
    },
    what: `${group.name} opened ${plural(opened, 'connection')} (${count(perSecond)} a second) and closed them after ${duration(medianLifeMs ?? 0)} (median).${each}${rolledBack}${poolerNote(facts)}`,
    ...WHY_PER_REQUEST,
    fix: fixOf('per-request', group.stack),
  };
}

function closedByErrors(facts: Facts, churn: Churn): Finding {
  const { group, opened, seen, perSecond, medianLifeMs, transactions, rollbacks } = churn;
  return {
    id: 'closed-by-errors',
    severity: perSecond >= CRITICAL_PER_SECOND ? 'critical' : 'warning',
    group: group.name,
    evidence: {
      opened,
      seen,
      perSecond: round(perSecond),
      rollbacksPerSession: round(rollbacks ?? 0),
      transactionsPerSession: round(transactions ?? 0, 1),
      medianLifeMs: Math.round(medianLifeMs ?? 0),
    },
    what: `${group.name} opened ${plural(opened, 'connection')} (${count(perSecond)} a second). For each of them, ${plural(rollbacks ?? 0, 'transaction was', 'transactions were')} rolled back, so each failed statement seems to close its connection.${poolerNote(facts)}`,
    why: 'After a failed statement the session is still healthy. Closing it makes every error cost a new login, and many errors cause many logins at once.',
    cause: `Likeliest: the pool closes a connection that had an error (pg.Pool.query() and Prisma 7 do). ${percent((rollbacks ?? 0) / Math.max(1, transactions ?? 1))} of the transactions failed. Second: the app itself closes its connection after each error. Then its log shows the reconnects.`,
    fix: fixOf('closed-by-errors', group.stack),
  };
}
