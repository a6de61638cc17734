import type { Policy } from '../policy/policy.js';

/** A row of failed connects. An immutable value: each failure makes the next one, a success ends it. */
export interface ConnectFailures {
  /** What the next attempt can expect after the last failure. */
  readonly kind: 'transient' | 'permanent' | 'login' | 'full';
  /** The last connect error. */
  readonly error: unknown;
  /** When the first failure in a row happened. */
  readonly since: number;
  /** When the last attempt that failed began. */
  readonly beganAt: number;
  /** When the last failure happened. */
  readonly lastAt: number;
  /** How many there were in a row. */
  readonly count: number;
  /** How many attempts were under way at once when the first one failed. */
  readonly atOnce: number;
  /** In [0, 1). It shortens the backoff, so that the processes of a fleet do not connect in step. */
  readonly jitter: number;
}

/** Longest time between attempts while a caller waits: at most three connects a second, and a server that is back is found within half a second. */
const RETRY_MS = 400;
/**
 * Time between two logins with a secret that may have been replaced: at most four a second are refused, and a right one is used
 * within half a second.
 */
const LOGIN_RETRY_MS = 250;
const LONGEST_BACKOFF_MS = 5_000;
const BACKOFF_JITTER = 0.25;

/**
 * The failures after one more. A failure of another kind begins a new row. So does an attempt that begins long after the last
 * one, because an old failure shows nothing about the server's present state.
 */
export function afterFailure(
  before: ConnectFailures | undefined,
  { kind, error, beganAt }: { kind: ConnectFailures['kind']; error: unknown; beganAt: number },
  now: number,
  random: number,
): ConnectFailures {
  const isSameRow = before?.kind === kind && beganAt - before.lastAt <= LONGEST_BACKOFF_MS;
  const row = isSameRow ? before : { since: now, count: 0, atOnce: 0 };
  const atOnce = row.atOnce + (beganAt <= row.since ? 1 : 0);
  return { kind, error, beganAt, since: row.since, lastAt: now, count: row.count + 1, atOnce, jitter: random };
}

/**
 * When the next attempt may start.
 *
 * While a caller waits for an unreachable server, attempts are frequent, so that it is served soon after the server is back. A
 * server that is full, or refuses this client, gets no more attempts because a caller waits, unless the next attempt may have
 * another secret.
 *
 * @param urgent whether a caller waits, and no connection could serve it
 */
export function retryAt(failures: ConnectFailures, urgent: boolean): number {
  if (!urgent || failures.kind === 'permanent') return failures.lastAt + backoffMs(failures);
  if (failures.kind === 'login') return failures.lastAt + LOGIN_RETRY_MS;
  // Several attempts at once have used up the attempts of that second.
  const restUntil = failures.atOnce > 1 ? failures.since + 1_000 : 0;
  return Math.max(failures.lastAt + RETRY_MS, restUntil);
}

function backoffMs({ count, jitter }: ConnectFailures): number {
  const doubled = Math.min(RETRY_MS * 2 ** (count - 1), LONGEST_BACKOFF_MS);
  return Math.max(RETRY_MS, doubled * (1 - BACKOFF_JITTER * jitter));
}

/** How an acquire is refused at once: with the server's refusal, or as unreachable. */
export type FailFast = 'refused' | 'unreachable';

/**
 * Whether a caller is refused at once, because waiting would be in vain. Never while an open connection could serve it.
 *
 * @param open connections that are open
 * @param waitMs how long the caller would wait; `Infinity` when it waits for ever
 */
export function failFast(
  failures: ConnectFailures,
  open: number,
  waitMs: number,
  policy: Policy,
  now: number,
): FailFast | undefined {
  if (open > 0) return undefined;
  if (failures.kind === 'permanent') return now < retryAt(failures, true) ? 'refused' : undefined;
  return isAwayFor(waitMs, failures, policy, now) ? 'unreachable' : undefined;
}

/** Whether all connects have failed for this long, and up to now. An old failure is not enough: the server is tried again first. */
function isAwayFor(
  ms: number,
  { kind, since, lastAt }: ConnectFailures,
  { connectTimeoutMs }: Policy,
  now: number,
): boolean {
  const isRecent = now - lastAt <= LONGEST_BACKOFF_MS + connectTimeoutMs;
  return kind === 'transient' && isRecent && lastAt - since >= ms;
}
