import type { Facts } from '../facts.js';
import type { Evidence } from '../finding.js';
import { duration, percent, plural, round } from '../format.js';
import type { Rule } from './rule.js';

const HIDDEN_SHARE = 0.2;
const LEAST_TRANSACTIONS = 10;
const SHORTEST_MS = 2_000;

interface Reason {
  evidence: Evidence;
  what: string;
  why: string;
  fix: string;
}

/** Why the window does not show enough to call anything healthy. */
export const cannotTell: Rule = (facts) =>
  [notSeen, tooShort, hidden, reset, quiet].flatMap((reasonOf) => {
    const reason = reasonOf(facts);
    if (reason === null) return [];
    return [{ id: 'cannot-tell', severity: 'info', group: null, cause: '', ...reason }] as const;
  });

function notSeen({ samples, refusals, otherRefusals }: Facts): Reason | null {
  const [refusal] = [...refusals, ...otherRefusals];
  if (samples.length > 0 || !refusal) return null;
  return {
    evidence: { reason: 'no-connection', code: refusal.code, message: refusal.message },
    what: `The doctor got no connection. ${refusal.message}`,
    why: 'No session could be seen.',
    fix:
      refusals.length > 0
        ? 'Run it again as a role with a reserved slot: a member of pg_use_reserved_connections, or a superuser with --reserved.'
        : 'Fix what this message names, and run the doctor again.',
  };
}

function tooShort({ samples, from, to, restartedAt }: Facts): Reason | null {
  if (samples.length === 0 || to - from >= SHORTEST_MS) return null;
  const restart = restartedAt === null ? '' : ' The server was restarted in the window.';
  return {
    evidence: { reason: 'too-short', seconds: round((to - from) / 1_000), samples: samples.length },
    what: `Only ${duration(to - from)} could be watched.${restart}`,
    why: 'Whether connections are reused shows only over several seconds.',
    fix: 'Run it again, with --seconds 10 or more.',
  };
}

function hidden({ hiddenShare, server }: Facts): Reason | null {
  if (hiddenShare <= HIDDEN_SHARE) return null;
  const role = server?.role ?? 'the role';
  return {
    evidence: { reason: 'no-rights', hiddenShare: round(hiddenShare), role },
    what: `${percent(hiddenShare)} of the sessions belong to other roles, and ${role} may not see their state.`,
    why: 'Nobody can say whether those connections are reused, wait for a lock, or sit in a transaction.',
    fix: `As a superuser: GRANT pg_monitor TO "${role.replaceAll('"', '""')}"; then run it again.`,
  };
}

function reset({ rises, samples }: Facts): Reason | null {
  const first = samples[0]?.counters ?? {};
  const databases = [...rises].filter(([name, rise]) => rise === null && name in first).map(([name]) => name);
  if (databases.length === 0) return null;
  return {
    evidence: { reason: 'stats-reset', databases },
    what: `The server’s counters were reset in the window${databases[0] ? ` (${databases.join(', ')})` : ''}.`,
    why: 'So the number of sessions and transactions is not known.',
    fix: 'Run it again.',
  };
}

/**
 * Why the window shows too little work. Counters are late, and a recording without a header does not count the sampler's own transactions, so moves
 * of the sessions are counted instead.
 */
function quiet({ samples, lives, rises, server, to, from, hiddenShare }: Facts): Reason | null {
  if (samples.length === 0 || hiddenShare > HIDDEN_SHARE) return null;
  const seen = lives.reduce((sum, { moves, born }) => sum + moves.length + (born ? 1 : 0), 0);
  const counted = [...rises.values()].reduce((sum, rise) => sum + (rise?.transactions ?? 0) + (rise?.sessions ?? 0), 0);
  const happened = server === null ? seen : Math.max(seen, counted);
  if (happened >= LEAST_TRANSACTIONS) return null;
  return {
    evidence: { reason: 'quiet', transactions: happened, seconds: round((to - from) / 1_000) },
    what: `In ${duration(to - from)} there ${happened === 1 ? 'was' : 'were'} ${happened === 0 ? 'no transactions' : plural(happened, 'transaction')}.`,
    why: 'A pool shows how it works only while it works.',
    fix: 'Run it again while the app has something to do.',
  };
}
