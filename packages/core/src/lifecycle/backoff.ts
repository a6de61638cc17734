import type { Policy } from '../policy/policy.js';

/** Connects fail. An immutable value: each failure makes the next one, a success ends it. */
export interface Trouble {
  /** What the last failure says about the next attempt. */
  readonly kind: 'transient' | 'permanent' | 'login' | 'full';
  /** The last connect error. */
  readonly error: unknown;
  /** When the first failure of this row happened. */
  readonly since: number;
  /** When the last attempt that failed began. */
  readonly beganAt: number;
  /** When the last one happened. */
  readonly lastAt: number;
  /** How many there were in a row. */
  readonly failures: number;
  /** How many of them were under way side by side when the first one failed. */
  readonly atOnce: number;
  /** In [0, 1): shortens the back-off, so that a fleet does not knock in step. */
  readonly jitter: number;
}

/** Longest time between attempts while someone waits: at most three connects a second, and a server that is back is found within half a second. */
const RETRY_MS = 400;
/** Between two logins with a secret that may have been replaced: at most four a second are refused, and a right one is used within half a second. */
const LOGIN_RETRY_MS = 250;
const LONGEST_BACKOFF_MS = 5_000;
const BACKOFF_JITTER = 0.25;

/**
 * The trouble after one more failure. A failure of another kind begins a new row, and so does an attempt that begins long after the last: what
 * nobody followed up is forgotten.
 */
export function afterFailure(
  before: Trouble | undefined,
  { kind, error, beganAt }: { kind: Trouble['kind']; error: unknown; beganAt: number },
  now: number,
  random: number,
): Trouble {
  const isSameRow = before?.kind === kind && beganAt - before.lastAt <= LONGEST_BACKOFF_MS;
  const row = isSameRow ? before : { since: now, failures: 0, atOnce: 0 };
  const atOnce = row.atOnce + (beganAt <= row.since ? 1 : 0);
  return { kind, error, beganAt, since: row.since, lastAt: now, failures: row.failures + 1, atOnce, jitter: random };
}

/**
 * When the next attempt may start.
 *
 * A caller who waits for an unreachable server does not wait longer than need be for it to come back. A server that is full, or one that
 * refuses us, is not asked more often because someone waits, unless the next attempt may have another secret.
 *
 * @param urgent someone waits, and no connection could serve them
 */
export function retryAt(trouble: Trouble, urgent: boolean): number {
  if (!urgent || trouble.kind === 'permanent') return trouble.lastAt + backoffMs(trouble);
  if (trouble.kind === 'login') return trouble.lastAt + LOGIN_RETRY_MS;
  // Several attempts at once have used up what is allowed in that second.
  const restUntil = trouble.atOnce > 1 ? trouble.since + 1_000 : 0;
  return Math.max(trouble.lastAt + RETRY_MS, restUntil);
}

function backoffMs({ failures, jitter }: Trouble): number {
  const doubled = Math.min(RETRY_MS * 2 ** (failures - 1), LONGEST_BACKOFF_MS);
  return Math.max(RETRY_MS, doubled * (1 - BACKOFF_JITTER * jitter));
}

/** How an acquire is answered at once instead of waiting: with the server's refusal, or as unreachable. */
export type Refusal = 'refused' | 'unreachable';

/**
 * Whether a caller waits in vain. Never while a connection is open that could serve it.
 *
 * @param alive connections that are open
 * @param waitMs how long the caller would wait; `Infinity` when it waits for ever
 */
export function refusal(
  trouble: Trouble,
  alive: number,
  waitMs: number,
  policy: Policy,
  now: number,
): Refusal | undefined {
  if (alive > 0) return undefined;
  if (trouble.kind === 'permanent') return now < retryAt(trouble, true) ? 'refused' : undefined;
  return isAwayFor(waitMs, trouble, policy, now) ? 'unreachable' : undefined;
}

/** Nothing but failure for as long as this, and until now: what was true an hour ago is asked again. */
function isAwayFor(ms: number, { kind, since, lastAt }: Trouble, { connectTimeoutMs }: Policy, now: number): boolean {
  const isRecent = now - lastAt <= LONGEST_BACKOFF_MS + connectTimeoutMs;
  return kind === 'transient' && isRecent && lastAt - since >= ms;
}
