import type { Statement } from '../../sample/sample.js';
import type { Facts } from '../facts.js';
import type { Evidence, Severity } from '../finding.js';
import { duration, percent, round } from '../format.js';
import type { Group } from '../groups.js';
import { keyOf } from '../groups.js';
import { fixOf } from '../stacks.js';
import { rootBlockers } from './lockWaits.js';
import type { Rule } from './rule.js';

const IDLE = 'idle in transaction';
const ABORTED = 'idle in transaction (aborted)';
const WARN_MS = 60_000;
const CRITICAL_MS = 300_000;
const ABORTED_MS = 10_000;
const INFO_MS = 10_000;
/** Share of a group's sessions that must be in an open transaction, in every sample, and the same ones all the time. */
const STUCK_SHARE = 0.3;
const STUCK_MS = 8_000;

interface Open {
  pid: number;
  key: string;
  application: string;
  aborted: boolean;
  /** Time since its last statement. A batch that works in between is young here, however old its transaction. */
  idleMs: number;
  transactionMs: number;
  blocks: number;
  statement: Statement | undefined;
}

/** An abandoned transaction keeps its locks, and stops vacuum from removing old rows. */
export const openTransaction: Rule = (facts) => {
  const open = openOnes(facts);
  return facts.groups.flatMap((group) => {
    const mine = open.filter(({ key }) => key === keyOf(group.lives[0]!)).sort((a, b) => b.idleMs - a.idleMs);
    const [oldest] = mine;
    if (!oldest) return [];
    const stuck = stuckShare(facts, group, mine);
    const severity = severityOf(mine, stuck, group);
    if (severity === null) return [];
    const blocked = mine.reduce((sum, { blocks }) => sum + blocks, 0);
    return [
      {
        id: 'open-transaction',
        severity,
        group: group.name,
        evidence: evidenceOf(oldest, mine.length, stuck, blocked),
        what: textOf(oldest, mine, group, stuck),
        why:
          blocked > 0
            ? `It holds locks that ${blocked === 1 ? 'another session waits' : `${blocked} others wait`} for, and nobody else can use its connection.`
            : 'Nobody else can use its connection, its locks stay, and vacuum must keep the rows that it may still see.',
        cause:
          'Likeliest: some path through the code ends without COMMIT or ROLLBACK, often after an error. Second: the app does something slow inside the transaction, such as a call to another service. Then the same session goes on from time to time.',
        fix: fixOf('open-transaction', group.stack),
      } as const,
    ];
  });
};

function openOnes({ samples, to }: Facts): Open[] {
  const last = samples.at(-1);
  if (!last) return [];
  const blockers = rootBlockers(last.sessions);
  const statements = samples.filter((sample) => sample.statements).at(-1)?.statements ?? {};
  return last.sessions.flatMap((session) => {
    const { pid, state, stateAt, transactionAt, application, own } = session;
    if ((state !== IDLE && state !== ABORTED) || stateAt === null || own) return [];
    return [
      {
        pid,
        key: keyOf(session),
        application,
        aborted: state === ABORTED,
        idleMs: Math.max(0, to - stateAt),
        transactionMs: Math.max(0, to - (transactionAt ?? stateAt)),
        blocks: blockers.get(pid) ?? 0,
        statement: statements[pid],
      },
    ];
  });
}

/** The sessions that did nothing from the first sample to the last, as a share of the group's mean. */
function stuckShare({ from, to }: Facts, group: Group, open: readonly Open[]): number {
  const length = to - from;
  const stuck = open.filter(({ idleMs }) => idleMs >= length && idleMs >= STUCK_MS);
  return stuck.length / Math.max(1, group.mean);
}

function severityOf(open: readonly Open[], stuck: number, { stack }: Group): Severity | null {
  const worst = (is: (one: Open) => boolean) => open.some(is);
  if (worst(({ idleMs }) => idleMs >= CRITICAL_MS)) return 'critical';
  if (worst(({ idleMs, blocks }) => idleMs >= WARN_MS && blocks > 0)) return 'critical';
  if (worst(({ idleMs, aborted }) => idleMs >= (aborted ? ABORTED_MS : WARN_MS))) return 'warning';
  // A person at psql thinks for a while; an app does not.
  if (stuck >= STUCK_SHARE) return stack === 'tool' ? 'info' : 'warning';
  return worst(({ idleMs }) => idleMs >= INFO_MS) ? 'info' : null;
}

function evidenceOf(oldest: Open, number: number, stuck: number, blocked: number): Evidence {
  const { pid, application, idleMs, transactionMs, aborted, statement } = oldest;
  return {
    pid,
    application,
    idleSeconds: round(idleMs / 1_000),
    transactionSeconds: round(transactionMs / 1_000),
    aborted,
    open: number,
    stuckShare: round(stuck),
    blocked,
    ...(statement ? { lastStatement: statement.text } : {}),
    ...(statement && statement.horizonAge !== null ? { horizonAge: statement.horizonAge } : {}),
  };
}

function textOf(oldest: Open, open: readonly Open[], group: Group, stuck: number): string {
  const { pid, idleMs, aborted, statement } = oldest;
  const state = aborted ? 'in a failed transaction' : 'in a transaction';
  const more = open.length > 1 ? ` ${open.length} of its sessions are in that state.` : '';
  const share = stuck >= STUCK_SHARE ? ` That is ${percent(Math.min(1, stuck))} of the group, all the time.` : '';
  const last = statement?.text ? ` Its last statement: ${statement.text}` : '';
  const horizon = statement?.horizonAge
    ? ` It holds vacuum back: ${statement.horizonAge.toLocaleString('en-US')} transactions so far.`
    : '';
  return `Session ${pid} of ${group.name} has been idle ${state} for ${duration(idleMs)}.${more}${share}${last}${horizon}`;
}
