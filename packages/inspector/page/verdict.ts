import { count, duration, percent, plural, rough } from './format.js';
import type { History } from './history.js';

/** The state of a pool in one word, and the sentence that explains it. */
export interface Verdict {
  readonly level: 'good' | 'quiet' | 'warning' | 'bad';
  readonly word: string;
  readonly sentence: string;
}

/** A failure counts as recent for this long. */
const RECENT_MS = 5_000;
/** Below this number of openings the rate of reuse means nothing: a pool opens its connections once. */
const FEW = 10;
const NOT_REUSED_SHARE = 0.2;
const HELD_LONG_MS = 30_000;

/** The most severe state that applies now. */
export function verdictOf(history: History): Verdict {
  return unreachable(history) ?? full(history) ?? notReused(history) ?? held(history) ?? well(history);
}

function unreachable({ pool, log, t }: History): Verdict | undefined {
  const failed = log.filter((entry) => entry.kind === 'failed' && entry.t > t - RECENT_MS).at(-1);
  if (!failed || pool.stats.used + pool.stats.idle > 0) return undefined;
  return {
    level: 'bad',
    word: 'Not connected',
    sentence: `No connection is open. The last attempt failed: ${failed.text}.`,
  };
}

function full({ pool }: History): Verdict | undefined {
  const { used, waiting, max } = pool.stats;
  if (waiting === 0 || used < max) return undefined;
  const held = max === 1 ? 'The only connection is' : `All ${count(max)} connections are`;
  const callers = waiting === 1 ? '1 caller waits' : `${count(waiting)} callers wait`;
  return { level: 'bad', word: 'Full', sentence: `${held} in use, and ${callers}.` };
}

function notReused(history: History): Verdict | undefined {
  const { acquired, opened } = history.last();
  if (opened < FEW || opened < acquired * NOT_REUSED_SHARE) return undefined;
  const each = rough(Math.min(1_000, (opened / Math.max(1, acquired)) * 1_000));
  return {
    level: 'bad',
    word: 'Not reused',
    sentence: `${each} of 1,000 checkouts opened a connection in the last minute.`,
  };
}

function held({ pool, policy }: History): Verdict | undefined {
  const [longest] = pool.holders;
  const leakAfterMs = policy.leakAfterMs?.value;
  const limit = typeof leakAfterMs === 'number' ? leakAfterMs : HELD_LONG_MS;
  if (!longest || longest.heldMs < limit) return undefined;
  const others = pool.holders.filter(({ heldMs }) => heldMs >= limit).length - 1;
  const more = others > 0 ? `, and ${others} more for over ${duration(limit)}` : '';
  return {
    level: 'warning',
    word: 'Held',
    sentence: `A connection has been held for ${duration(longest.heldMs)}${more}.`,
  };
}

function well(history: History): Verdict {
  const { acquired, opened } = history.last();
  if (acquired === 0) return { level: 'quiet', word: 'Quiet', sentence: 'No checkouts in the last minute.' };
  const share = percent(Math.max(0, 1 - opened / acquired));
  return {
    level: 'good',
    word: 'Reused',
    sentence: `${share} of ${plural(acquired, 'checkout')} in the last minute found a connection that was open.`,
  };
}
