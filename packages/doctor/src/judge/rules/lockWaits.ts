import type { Session } from '../../sample/sample.js';
import type { Facts } from '../facts.js';
import { duration, percent, plural, round } from '../format.js';
import type { Group } from '../groups.js';
import { keyOf } from '../groups.js';
import type { Rule } from './rule.js';

/** `wait_event` values of the type Lock for which sessions wait for each other. */
const LOCKS = new Set([
  'relation',
  'frozenid',
  'page',
  'tuple',
  'transactionid',
  'virtualxid',
  'spectoken',
  'object',
  'userlock',
  'applytransaction',
]);
/** Waiting for an advisory lock is often how workers choose a leader, so it is only worth an info. */
const ADVISORY = 'advisory';
const SHARE = 0.2;
const IN_A_ROW = 3;
/** One session alone must wait this long to stand out. */
const ALONE_MS = 2_000;
const CRITICAL_MS = 5_000;

/** How many sessions wait, directly or not, for each session that itself waits for none. */
export function rootBlockers(sessions: readonly Session[]): Map<number, number> {
  const blockedBy = new Map(sessions.map(({ pid, blockedBy }) => [pid, blockedBy]));
  const roots = new Map<number, number>();
  for (const { pid, blockedBy: direct } of sessions) {
    if (direct.length === 0) continue;
    const root = rootOf(pid, blockedBy);
    if (root !== null) roots.set(root, (roots.get(root) ?? 0) + 1);
  }
  return roots;
}

function rootOf(pid: number, blockedBy: ReadonlyMap<number, readonly number[]>): number | null {
  const seen = new Set([pid]);
  for (let at = pid; ; ) {
    const next = (blockedBy.get(at) ?? []).find((one) => !seen.has(one));
    if (next === undefined) return at === pid ? null : at;
    seen.add(next);
    at = next;
  }
}

export const lockWaits: Rule = (facts) =>
  facts.groups.flatMap((group) => {
    const wait = longestWait(facts, group);
    if (!wait) return [];
    const { ms, waiting, share, root, kind } = wait;
    const severity = kind === ADVISORY ? 'info' : ms >= CRITICAL_MS ? 'critical' : 'warning';
    return [
      {
        id: 'lock-waits',
        severity,
        group: group.name,
        evidence: {
          waiting,
          share: round(share),
          seconds: round(ms / 1_000),
          lock: kind,
          ...(root ? { blocker: root.pid, blockerApplication: root.application, blockerState: root.state ?? '' } : {}),
        },
        what: `${plural(waiting, 'session')} of ${group.name} (${percent(share)}) waited for locks over ${duration(ms)}.${rootText(root)}`,
        why: 'They wait for each other, not for a connection. More connections would only wait too.',
        cause:
          root?.state === 'active'
            ? 'Likeliest: one long statement or migration holds what they need. Second: many requests update one row. Then the blocker changes from sample to sample.'
            : 'Likeliest: a transaction that was left open holds what they need. Second: many requests update one row. Then the blocker changes from sample to sample.',
        fix: `Set lock_timeout for the role, and end the blocker${root ? `: select pg_terminate_backend(${root.pid})` : ''}. With Tenure (Node.js): a transaction that is left open is rolled back when its connection is returned.`,
      } as const,
    ];
  });

interface Wait {
  ms: number;
  waiting: number;
  share: number;
  root: Session | undefined;
  kind: string;
}

function longestWait({ samples }: Facts, group: Group): Wait | null {
  const key = keyOf(group.lives[0]!);
  let best = null as Wait | null;
  let begun = -1;
  for (const [index, { at, sessions }] of samples.entries()) {
    const mine = sessions.filter((session) => keyOf(session) === key);
    const waiting = mine.filter(isWaiting);
    if (waiting.length === 0 || waiting.length < SHARE * mine.length) {
      begun = -1;
      continue;
    }
    if (begun < 0) begun = index;
    const ms = at - samples[begun]!.at;
    const enough = index - begun + 1 >= IN_A_ROW && (waiting.length > 1 || ms >= ALONE_MS);
    if (!enough || (best && ms < best.ms)) continue;
    best = {
      ms,
      waiting: Math.max(waiting.length, best?.waiting ?? 0),
      share: waiting.length / mine.length,
      root: rootSession(sessions, waiting),
      kind: waiting.every(({ waitEvent }) => waitEvent === ADVISORY) ? ADVISORY : waiting[0]!.waitEvent!,
    };
  }
  return best;
}

function isWaiting({ waitEvent, state }: Session): boolean {
  return state === 'active' && waitEvent !== null && (LOCKS.has(waitEvent) || waitEvent === ADVISORY);
}

/** The session that most of these wait for. */
function rootSession(sessions: readonly Session[], waiting: readonly Session[]): Session | undefined {
  const roots = rootBlockers(sessions.filter((session) => waiting.includes(session) || session.blockedBy.length > 0));
  const [first] = [...roots].sort(([, a], [, b]) => b - a);
  return first && sessions.find(({ pid }) => pid === first[0]);
}

function rootText(root: Session | undefined): string {
  if (!root) return '';
  const who = root.application ? ` (${root.application})` : '';
  return ` Session ${root.pid}${who} holds what they wait for; it is ${root.state ?? 'in a state that this role may not see'}.`;
}
