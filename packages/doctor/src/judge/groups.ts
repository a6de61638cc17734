import { isHidden, isLogin, type Sample, type Session } from '../sample/sample.js';
import { mean, median } from './format.js';
import type { Life } from './lives.js';
import { type Stack, stackOf } from './stacks.js';

/** Sessions of one database, role and application name. Numbers in the name are ignored, because workers put their own number there. */
export interface Group {
  readonly name: string;
  readonly database: string | null;
  readonly user: string;
  readonly application: string;
  readonly addresses: readonly (string | null)[];
  readonly stack: Stack;
  readonly lives: readonly Life[];
  /** The number of sessions at each sample of the window. */
  readonly counts: readonly number[];
  readonly peak: number;
  /** Mean number of sessions between `from` and `to`. */
  readonly mean: number;
  /** Mean sessions by state. */
  readonly states: Readonly<Record<string, number>>;
  /** The group's time: from its first session, or the window's start, to the window's end, or the last sign of work if all have ended. */
  readonly from: number;
  readonly to: number;
  readonly births: readonly Life[];
  /** Deaths after `to` are left out: an app that stops closes all its sessions. */
  readonly deaths: readonly Life[];
  /** Median life of the sessions that were born and ended in the window; null for none. */
  readonly medianLifeMs: number | null;
  /** Sessions that were idle from the first sample to the last, without one statement. */
  readonly unused: number;
  /** Whether the role may not see the state of these sessions. */
  readonly hidden: boolean;
}

/** The groups of a window, the largest first. */
export function groupsOf(samples: readonly Sample[], lives: readonly Life[]): Group[] {
  const byKey = new Map<string, Life[]>();
  for (const life of lives) push(byKey, keyOf(life), life);
  const counted = countByGroup(samples);
  const statements = lastStatements(samples);
  return Array.from(byKey, ([key, members]) => groupOf(members, counted.get(key)!, samples, statements)).sort(
    (a, b) => b.peak - a.peak || a.name.localeCompare(b.name),
  );
}

/** The key of a session's group. Lives are grouped by the same key. */
export function keyOf({ database, user, application }: Pick<Life | Session, 'database' | 'user' | 'application'>) {
  return JSON.stringify([database, user, withoutNumbers(application)]);
}

interface Counted {
  counts: number[];
  states: Map<string, number>;
}

function countByGroup(samples: readonly Sample[]): Map<string, Counted> {
  const counted = new Map<string, Counted>();
  // An application may rename its sessions. Each counts in the group of its last name, as its life does.
  const lastKey = new Map<string, string>();
  const idOf = ({ pid, startedAt }: Session) => `${pid}@${startedAt}`;
  for (const { sessions } of samples) {
    for (const session of sessions) if (!isLogin(session)) lastKey.set(idOf(session), keyOf(session));
  }
  for (const [index, { sessions }] of samples.entries()) {
    for (const session of sessions) {
      if (isLogin(session)) continue;
      const key = lastKey.get(idOf(session))!;
      let group = counted.get(key);
      if (!group) {
        group = { counts: samples.map(() => 0), states: new Map() };
        counted.set(key, group);
      }
      group.counts[index]! += 1;
      const state = isHidden(session) ? 'hidden' : (session.state ?? 'starting');
      group.states.set(state, (group.states.get(state) ?? 0) + 1);
    }
  }
  return counted;
}

function groupOf(
  lives: readonly Life[],
  { counts, states }: Counted,
  samples: readonly Sample[],
  statements: ReadonlyMap<number, string>,
): Group {
  const { database, user, application } = lives[0]!;
  const windowFrom = samples[0]!.at;
  const windowTo = samples.at(-1)!.at;
  const from = Math.min(...lives.map(({ firstSeen, born, bornAt }) => (born ? bornAt : firstSeen)));
  const isOver = lives.every(({ died }) => died);
  const to = isOver ? Math.max(from, ...lives.map(lastSign)) : windowTo;
  const inSpan = counts.filter((_, index) => samples[index]!.at >= from && samples[index]!.at <= to);
  const births = lives.filter(({ born }) => born);
  const ended = births.filter(({ died }) => died).map(({ lastSeen, bornAt }) => lastSeen - bornAt);
  const apps = [...new Set(lives.map((life) => life.application))];
  const shown = apps.length === 1 ? application : withoutNumbers(application);
  return {
    name: nameOf(shown, user, database),
    database,
    user,
    application: shown,
    addresses: [...new Set(lives.map(({ address }) => address))],
    stack: stackOf(
      shown,
      lives.map(({ pid }) => statements.get(pid) ?? ''),
    ),
    lives,
    counts,
    peak: Math.max(...counts),
    mean: mean(inSpan.length > 0 ? inSpan : counts),
    states: Object.fromEntries(Array.from(states, ([state, total]) => [state, total / samples.length])),
    from,
    to,
    births,
    deaths: lives.filter(({ died, lastSeen }) => died && lastSeen <= to),
    medianLifeMs: ended.length === 0 ? null : Math.max(0, median(ended)),
    unused: lives.filter((life) => isUnused(life, windowFrom, windowTo)).length,
    hidden: lives.every(({ hidden }) => hidden),
  };
}

function lastSign({ moves, born, bornAt, firstSeen }: Life): number {
  return moves.at(-1) ?? (born ? bornAt : firstSeen);
}

function isUnused({ firstSeen, lastSeen, moves, rests }: Life, from: number, to: number): boolean {
  return firstSeen === from && lastSeen === to && moves.length === 0 && rests.length > 0;
}

function lastStatements(samples: readonly Sample[]): Map<number, string> {
  const statements = new Map<number, string>();
  for (const sample of samples) {
    for (const [pid, { text }] of Object.entries(sample.statements ?? {})) statements.set(Number(pid), text);
  }
  return statements;
}

function nameOf(application: string, user: string, database: string | null): string {
  const where = database ? `${user}@${database}` : user;
  return application === '' ? where : `${application} (${where})`;
}

/** "puma: cluster worker 3: 4711" and "puma: cluster worker 4: 4712" are one application. */
function withoutNumbers(application: string): string {
  return application.replace(/\d+/g, '#');
}

export function push<Key, Value>(map: Map<Key, Value[]>, key: Key, value: Value): void {
  const values = map.get(key);
  if (values) values.push(value);
  else map.set(key, [value]);
}
