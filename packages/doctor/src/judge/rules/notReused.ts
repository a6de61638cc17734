import { type Facts, isAskedForMore, loginShare, unmetMoments } from '../facts.js';
import { duration, mean, median, plural, round } from '../format.js';
import type { Group } from '../groups.js';
import { push } from '../groups.js';
import type { Life, Span } from '../lives.js';
import { fixOf } from '../stacks.js';
import { poolerNote } from './behindPooler.js';
import { fullnessOf, HELD_SHARE } from './full.js';
import type { Rule } from './rule.js';

const LEAST_UNUSED = 5;
const UNUSED_SHARE = 0.2;
const LEAST_BIRTHS = 3;
/**
 * Shortest unused stretch that counts at a full server, or a quarter of the window if that is longer. Other clients are refused meanwhile, so three
 * seconds are long.
 */
const LEAST_REST_MS = 3_000;
const REST_SHARE = 0.25;
/** Share of the refused logins that must have unused connections beside them. At the first refusals all connections are in use. */
const MOMENTS_SHARE = 0.25;
/** A connection counts as unused beside a birth after it was unused for this long. */
const SETTLED_MS = 2_000;
/** A pool that replaces its connections by age closes one for each that it opens. */
const ROTATION_SHARE = 0.7;
const ROTATION_AGE_MS = 60_000;
/** A pool that shrinks and grows uses most of its connections again and again. */
const BREATHING_SHARE = 0.5;
const REUSED_SHARE = 0.3;
const REUSED_AFTER_MS = 1_500;
/** Growth that goes on through two windows of eight seconds does not end by itself. */
const CONFIRMED_AFTER_MS = 15_000;
/** A sample of this many moments is enough when thousands of connections are born. */
const MOST_MOMENTS = 200;

/** Connections are opened while others of the same app are unused: the one exact sign of "persistent, not reused". */
export const notReused: Rule = (facts) => {
  return facts.groups
    .filter(({ hidden }) => !hidden)
    .flatMap((group) => {
      const seen = unusedBesideBirths(facts, group);
      if (!seen) return [];
      const { unused, births, sessions, logins, confirmed } = seen;
      const demand =
        births >= LEAST_BIRTHS
          ? `${plural(births, 'connection was', 'connections were')} opened`
          : 'logins waited or were refused again and again';
      return [
        {
          id: 'not-reused',
          severity: confirmed ? 'critical' : 'warning',
          group: group.name,
          evidence: {
            unused,
            sessions: round(sessions, 1),
            births,
            deaths: group.deaths.length,
            loginsShare: round(logins),
            failedLogins: facts.failedLogins.length,
            restSeconds: round(facts.restMs / 1_000),
            confirmed,
          },
          what: `In ${duration(facts.to - facts.from)} ${demand} while ${unused} of the ${Math.max(unused, Math.round(sessions))} connections of ${group.name} were idle and unused.${poolerNote(facts)}`,
          why: 'Persistent connections that are not reused add up until the server is full, whatever the load.',
          cause: `Likeliest: each thread, green thread, request or copy of the pool keeps a connection of its own (gunicorn with eventlet or gevent and CONN_MAX_AGE; a pool created per request or per reload). Second: one of several processes needs more connections while the others are idle. Then the growth ends, and a second window${confirmed ? '' : ' (--until-sure)'} shows no new connections.`,
          fix: fixOf('not-reused', group.stack),
        } as const,
      ];
    });
};

/** Whether a second window could answer what this one leaves open: a warm-up beside unused connections, or growth that may end. */
export function isUnsettled(facts: Facts): boolean {
  if (facts.to - facts.from >= CONFIRMED_AFTER_MS) return false;
  return facts.groups.some((group) => {
    const births = group.births.filter(({ untouched }) => !untouched).length;
    const seen = unusedBesideBirths(facts, group);
    return seen ? !seen.confirmed : births >= LEAST_BIRTHS && group.unused >= LEAST_UNUSED;
  });
}

interface Seen {
  unused: number;
  births: number;
  sessions: number;
  logins: number;
  confirmed: boolean;
}

function unusedBesideBirths(facts: Facts, group: Group): Seen | null {
  const byBirth = besideBirths(facts, group);
  const logins = loginShare(facts, group.from, group.to);
  const byLogins = mayBeRefused(facts, group) ? besideLogins(facts, group) : null;
  if (byLogins && goesOn(group, byLogins.moments)) {
    return { ...byLogins, births: group.births.length, logins, confirmed: true };
  }
  if (!byBirth || byBirth.births < LEAST_BIRTHS || !goesOn(group, byBirth.moments)) return null;
  if (rotates(group) || breathes(group)) return null;
  return { ...byBirth, logins, confirmed: inBothHalves(group, byBirth.moments) };
}

/** Looks at each client address by itself, because one machine cannot use a connection of another. */
function besideBirths(facts: Facts, group: Group) {
  const byAddress = new Map<string | null, Life[]>();
  for (const life of group.lives) push(byAddress, life.address, life);
  const found = Array.from(byAddress.values(), (lives) => {
    // A connection that has run nothing was opened ahead of need, so no caller waited for it.
    const births = lives.filter(({ born, untouched }) => born && !untouched);
    const at = beside(
      facts,
      lives,
      births.map(({ bornAt }) => bornAt),
    );
    return { ...at, births: at.moments.length };
  }).filter(({ moments }) => moments.length > 0);
  if (found.length === 0) return null;
  const total = (figure: (one: (typeof found)[number]) => number) => found.reduce((sum, one) => sum + figure(one), 0);
  return {
    unused: Math.round(total(({ unused }) => unused)),
    sessions: total(({ sessions }) => sessions),
    births: total(({ births }) => births),
    moments: found.flatMap(({ moments }) => moments),
  };
}

/**
 * Whether the crowd of logins may be this group's. A login in progress has no role yet. It becomes a birth if a slot is free; if none is, only the
 * group of the few births shows whose logins they are.
 */
function mayBeRefused(facts: Facts, group: Group): boolean {
  const isFull = fullnessOf(facts).some(({ fullMs, heldShare }) => fullMs > 0 && heldShare >= HELD_SHARE);
  const born = ({ births }: Group) => births.length > 0;
  return isFull && isAskedForMore(facts, group.from, group.to) && (born(group) || !facts.groups.some(born));
}

/** The unused stretch that counts is shorter for an app that was started in the window. */
function besideLogins(facts: Facts, group: Group) {
  const moments = unmetMoments(facts, group.from, group.to);
  const restMs = Math.min(facts.restMs, Math.max(LEAST_REST_MS, REST_SHARE * (group.to - group.from)));
  const found = beside({ ...facts, restMs }, group.lives, moments);
  return found.moments.length < moments.length * MOMENTS_SHARE ? null : found;
}

/** The moments at which enough connections were unused, and how many were. */
function beside(facts: Facts, lives: readonly Life[], all: readonly number[]) {
  const rests = lives.flatMap((life) => life.rests.filter((rest) => rest.to - rest.from >= facts.restMs));
  const sessions = mean(
    thinned(
      facts.samples.map(({ at }) => at),
      MOST_MOMENTS,
    )
      .map((at) => alive(lives, at))
      .filter(Boolean),
  );
  const enough = Math.max(LEAST_UNUSED, UNUSED_SHARE * sessions);
  const settledMs = Math.min(SETTLED_MS, facts.restMs / 3);
  const thin = thinned(all, MOST_MOMENTS);
  const counted = thin.map((at) => ({ at, unused: resting(rests, at, settledMs) }));
  const moments = counted.filter(({ unused }) => unused >= enough);
  const scale = all.length / Math.max(1, thin.length);
  return {
    unused: Math.round(median(moments.map(({ unused }) => unused))),
    sessions,
    moments: scale === 1 ? moments.map(({ at }) => at) : all.filter((at) => resting(rests, at, settledMs) >= enough),
  };
}

function resting(rests: readonly Span[], at: number, settledMs: number): number {
  return rests.filter(({ from, to }) => from <= at - settledMs && to >= at).length;
}

function alive(lives: readonly Life[], at: number): number {
  return lives.filter((life) => life.firstSeen <= at && life.lastSeen >= at).length;
}

function thinned(values: readonly number[], most: number): readonly number[] {
  if (values.length <= most) return values;
  const step = values.length / most;
  return Array.from({ length: most }, (_, index) => values[Math.floor(index * step)]!);
}

/** Whether births go on into the last third. A warm-up ends before, and is one burst. */
function goesOn({ from, to }: Group, moments: readonly number[]): boolean {
  const seconds = new Set(moments.map((at) => Math.floor((at - from) / 1_000)));
  return (
    moments.some((at) => at >= to - (to - from) / 3) && seconds.size >= Math.min(LEAST_BIRTHS, (to - from) / 2_000)
  );
}

function inBothHalves({ from, to }: Group, moments: readonly number[]): boolean {
  const middle = (from + to) / 2;
  return to - from >= CONFIRMED_AFTER_MS && moments.some((at) => at < middle) && moments.some((at) => at >= middle);
}

function rotates({ births, deaths }: Group): boolean {
  const ages = deaths.map(({ lastSeen, bornAt }) => lastSeen - bornAt);
  return deaths.length >= ROTATION_SHARE * births.length && median(ages) >= ROTATION_AGE_MS;
}

/** Whether a pool closes idle connections and opens new ones in the next burst, but uses the ones it has. */
function breathes({ births, deaths, lives }: Group): boolean {
  if (deaths.length < BREATHING_SHARE * births.length) return false;
  const old = lives.filter(({ lastSeen, bornAt }) => lastSeen - bornAt >= REUSED_AFTER_MS);
  const reused = old.filter(({ moves, bornAt }) => moves.some((at) => at - bornAt > REUSED_AFTER_MS));
  return reused.length >= REUSED_SHARE * old.length;
}
