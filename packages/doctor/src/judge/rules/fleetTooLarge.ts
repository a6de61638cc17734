import { type Facts, isAskedForMore, loginShare } from '../facts.js';
import { percent, plural, round } from '../format.js';
import type { Group } from '../groups.js';
import { fixOf } from '../stacks.js';
import { fullnessOf } from './full.js';
import { foundAny, type Rule } from './rule.js';

const HELD_SHARE = 0.8;
const MOST_UNUSED_SHARE = 0.1;

/** All open connections are used, and the apps want more. */
export const fleetTooLarge: Rule = (facts, before) => {
  if (!foundAny(before, ['full']) || foundAny(before, ['not-reused', 'per-request', 'closed-by-errors'])) return [];
  const fullest = fullnessOf(facts).find(({ fullMs, heldShare }) => fullMs > 0 && heldShare >= HELD_SHARE);
  const [group] = facts.groups;
  if (!fullest || !group) return [];
  const logins = loginShare(facts, fullest.fullFrom, fullest.fullTo);
  if (!isAskedForMore(facts, fullest.fullFrom, fullest.fullTo) && facts.refusals.length === 0) return [];
  const unused = unusedWhileFull(facts, fullest.fullFrom, fullest.fullTo);
  if (unused > MOST_UNUSED_SHARE * fullest.peak) return [];
  return [
    {
      id: 'fleet-too-large',
      severity: 'critical',
      group: group.name,
      evidence: {
        sessions: group.peak,
        limit: fullest.limit,
        unused,
        loginsShare: round(logins),
        failedLogins: facts.failedLogins.length,
        ownLoginsRefused: facts.refusals.length,
        clients: group.addresses.length,
      },
      what: `All connections are in use, and the apps want more: ${group.name} held ${group.peak} of ${fullest.limit}, ${unused === 0 ? 'none' : unused} of all were unused, and logins waited or were refused again and again (three or more at once in ${percent(logins)} of the samples).`,
      why: 'Together the pools may open more connections than the server allows. The process that starts last gets none, and after each restart that can be a different one.',
      cause: `Likeliest: processes × the pool’s maximum is above the limit of ${fullest.limit}${plateau(group)}. Second: another app takes the slots. Then its group is larger than usual in the list of groups.`,
      fix: fixOf('fleet-too-large', group.stack),
    },
  ];
};

function unusedWhileFull({ lives, restMs }: Facts, from: number, to: number): number {
  const middle = (from + to) / 2;
  const rests = lives.flatMap((life) => life.rests);
  return rests.filter((rest) => rest.to - rest.from >= restMs && rest.from <= middle && rest.to >= middle).length;
}

function plateau({ addresses, peak }: Group): string {
  if (addresses.length < 2) return '';
  return ` (${plural(addresses.length, 'client address', 'client addresses')} with about ${Math.round(peak / addresses.length)} each)`;
}
