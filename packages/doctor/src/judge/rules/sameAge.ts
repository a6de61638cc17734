import type { Facts } from '../facts.js';
import { duration, median, plural, round } from '../format.js';
import type { Group } from '../groups.js';
import type { Life } from '../lives.js';
import { fixOf } from '../stacks.js';
import type { Rule } from './rule.js';

const COHORT = 5;
const WITHIN_MS = 1_000;
/** A configured maximum age is a multiple of half a minute. */
const LEAST_AGE_MS = 30_000;
const ROUND_MS = 30_000;
const ROUND_SLACK = 0.01;

/** Connections of the same age, which reach their maximum age together and are replaced together. */
export const sameAge: Rule = (facts) =>
  facts.groups.flatMap((group) => {
    const herd = largestHerd(group, facts);
    if (!herd) return [];
    const { ended, opened, ageMs, isRound } = herd;
    return [
      {
        id: 'same-age',
        severity: isRound ? 'warning' : 'info',
        group: group.name,
        evidence: { ended, opened, ageSeconds: round(ageMs / 1_000, 1), withinSeconds: WITHIN_MS / 1_000 },
        what: `${plural(ended, 'connection')} of ${group.name}, all opened in one moment, ended within a second at the age of ${duration(ageMs)}, and ${opened} were opened in their place.`,
        why: 'So many logins at once are a load of their own, and requests wait for them. It happens again after each lifetime.',
        cause: isRound
          ? `Likeliest: a maximum age of ${duration(ageMs)} without a random share (jitter). Second: a process was restarted. Then it does not happen again after ${duration(ageMs)}.`
          : 'Likeliest: a process was restarted at that moment. Second: a maximum age without a random share (jitter). Then it happens again after the same time.',
        fix: fixOf('same-age', group.stack),
      } as const,
    ];
  });

function largestHerd({ deaths, births }: Group, { samples, to }: Facts) {
  const gapMs = median(samples.slice(1).map(({ at }, index) => at - samples[index]!.at));
  const old = deaths
    .filter(({ lastSeen, bornAt }) => lastSeen - bornAt >= LEAST_AGE_MS)
    .sort((a, b) => a.lastSeen - b.lastSeen);
  let best: Life[] = [];
  for (const first of old) {
    const cohort = old.filter(
      ({ lastSeen, bornAt }) =>
        lastSeen >= first.lastSeen &&
        lastSeen - first.lastSeen <= WITHIN_MS &&
        Math.abs(bornAt - first.bornAt) <= WITHIN_MS,
    );
    if (cohort.length > best.length) best = cohort;
  }
  if (best.length < COHORT) return null;
  const endedAt = median(best.map(({ lastSeen }) => lastSeen));
  const opened = births.filter(({ bornAt }) => Math.abs(bornAt - endedAt) <= 2 * WITHIN_MS).length;
  if (opened < COHORT || endedAt >= to) return null;
  // The end was between the last sample that shows it and the next.
  const ageMs = median(best.map(({ lastSeen, bornAt }) => lastSeen - bornAt)) + gapMs / 2;
  const nearest = Math.round(ageMs / ROUND_MS) * ROUND_MS;
  const isRound = nearest > 0 && Math.abs(ageMs - nearest) <= Math.max(gapMs, ROUND_SLACK * nearest);
  return { ended: best.length, opened, ageMs: isRound ? nearest : ageMs, isRound };
}
