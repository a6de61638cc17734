import type { Policy } from '../policy/policy.js';

/** A question that a connection has not answered yet: a check, or the reset of a returned session. */
export interface Question {
  readonly askedAt: number;
  /**
   * How long the quickest answer took of those that the server gave to questions asked at the same time or later; `Infinity` while there is
   * none. Only such an answer is evidence: in a brown-out the answer to an earlier question proves nothing about a later one.
   */
  readonly overtakenMs: number;
}

/** An answer that takes this many times as long as a later question's is missing, not slow. */
const OVERDUE_FACTOR = 3;

/** How long a connection may be silent while its server answers nobody: until then it is the server that is late. */
const SILENT_SERVER_MS = 10_000;
const SILENT_SERVER_FACTOR = 10;

/**
 * From when on a silent connection counts as dead: after `healthTimeoutMs`, once its server has answered someone who asked later, and by
 * a multiple of what that answer took. Without such evidence only after a limit that no brown-out should reach.
 *
 * A slow server makes every connection silent. Closing them would have the pool open new ones, which a slow server can bear least.
 */
export function deadFrom({ askedAt, overtakenMs }: Question, { healthTimeoutMs }: Policy): number {
  const longestMs = Math.max(SILENT_SERVER_MS, SILENT_SERVER_FACTOR * healthTimeoutMs);
  return askedAt + Math.min(longestMs, Math.max(healthTimeoutMs, OVERDUE_FACTOR * overtakenMs));
}

/** The question after the answer to another one that was asked at `askedAt`. */
export function afterAnswer(question: Question, askedAt: number, tookMs: number): Question {
  if (askedAt < question.askedAt || tookMs >= question.overtakenMs) return question;
  return { ...question, overtakenMs: tookMs };
}

/** Whether a connect is dead: its server has answered one that began later, and in a fraction of the time. */
export function isOvertaken({ askedAt, overtakenMs }: Question, now: number): boolean {
  return now - askedAt >= OVERDUE_FACTOR * overtakenMs;
}

/**
 * When to look next whether the server answers anyone, if it has not by then: at half of `healthTimeoutMs`, so that the verdict can be given
 * in time, and then at twice the silence each time.
 */
export function nextLook({ askedAt }: Question, { healthTimeoutMs }: Policy, now: number): number {
  return askedAt + Math.max(healthTimeoutMs / 2, 2 * (now - askedAt));
}
