import { type Facts, loginMoments } from '../facts.js';
import { duration, plural, round } from '../format.js';
import { fixOf } from '../stacks.js';
import type { Rule } from './rule.js';

const LEAST_SESSIONS = 20;
const UNUSED_SHARE = 0.8;
/** A shorter window may show only a quiet moment. */
const LONG_MS = 60_000;

export const oversized: Rule = (facts) => {
  if (loginMoments(facts).length > 0) return [];
  return facts.groups.filter(isOversized).map((group) => {
    const { mean, unused, name, stack } = group;
    const windowMs = facts.to - facts.from;
    const needed = Math.max(2, Math.ceil((mean - unused) * 2));
    return {
      id: 'oversized',
      severity: windowMs >= LONG_MS ? 'warning' : 'info',
      group: name,
      evidence: { sessions: round(mean, 1), unused, seconds: round(windowMs / 1_000), needed },
      what: `${unused} of the ${plural(Math.round(mean), 'connection')} of ${name} ran no statement in these ${duration(windowMs)}.`,
      why: 'Each open connection takes a slot that other apps could use, and memory on the server.',
      cause: `Likeliest: the pool keeps more connections open than the load needs; ${needed} would have been enough here. Second: this was a quiet moment. ${windowMs >= LONG_MS ? 'Then a busier time shows more of them in use.' : 'Look again for a minute at a busy time (--seconds 60).'}`,
      fix: fixOf('oversized', stack),
    };
  });
};

function isOversized({ mean, unused, births }: Facts['groups'][number]): boolean {
  return mean >= LEAST_SESSIONS && unused >= UNUSED_SHARE * mean && births.length === 0;
}
