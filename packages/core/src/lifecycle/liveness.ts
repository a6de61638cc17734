import type { Policy } from '../policy/policy.js';

/** A question that the server has not answered yet: a check, the reset of a returned session, or a connect. */
export interface Question {
  readonly askedAt: number;
  /** Answers to questions asked from this moment on are evidence. */
  readonly evidenceFrom: number;
  /** How long the quickest of those answers took; `Infinity` while there is none. */
  readonly overtakenMs: number;
  /** How long the answer may take at most. */
  readonly longestMs: number;
}

/** An answer that takes this many times as long as a later question's is missing, not slow. */
const OVERDUE_FACTOR = 3;

/** How long a connection may be silent while its server answers nobody: until then it is the server that is late. */
const SILENT_SERVER_MS = 10_000;
const SILENT_SERVER_FACTOR = 10;
/** The same for a session whose caller has left a query unfinished: what it waits for may never end. */
const UNFINISHED_FACTOR = 4;

/**
 * A question on a connection. It has half of `healthTimeoutMs` to itself: what was answered to others within that time may have been answered
 * before the server slowed down, and in a brown-out the answer to an earlier question proves nothing about a later one.
 *
 * @param isUnfinished whether the session is busy with a query that its caller does not wait for
 */
export function questionAsked(now: number, { healthTimeoutMs }: Policy, isUnfinished: boolean): Question {
  const longestMs = isUnfinished
    ? UNFINISHED_FACTOR * healthTimeoutMs
    : Math.max(SILENT_SERVER_MS, SILENT_SERVER_FACTOR * healthTimeoutMs);
  return { askedAt: now, evidenceFrom: now + healthTimeoutMs / 2, overtakenMs: Number.POSITIVE_INFINITY, longestMs };
}

/** A connect. Any that begins later tells of it. */
export function connectAsked(now: number): Question {
  const { POSITIVE_INFINITY: none } = Number;
  return { askedAt: now, evidenceFrom: now, overtakenMs: none, longestMs: none };
}

/**
 * From when on a silent connection counts as dead: after `healthTimeoutMs`, once its server has answered someone who asked later, and by
 * a multiple of what that answer took, less the time that it was ahead. Without such evidence only after a limit that no brown-out should reach.
 *
 * A slow server makes every connection silent. Closing them would have the pool open new ones, which a slow server can bear least.
 */
export function deadFrom({ askedAt, overtakenMs, longestMs }: Question, { healthTimeoutMs }: Policy): number {
  const overdueMs = OVERDUE_FACTOR * overtakenMs - healthTimeoutMs / 2;
  return askedAt + Math.min(longestMs, Math.max(healthTimeoutMs, overdueMs));
}

/** The question after the answer to another one that was asked at `askedAt`. */
export function afterAnswer(question: Question, askedAt: number, tookMs: number): Question {
  const isEvidence = askedAt >= question.evidenceFrom && askedAt > question.askedAt;
  if (!isEvidence || tookMs >= question.overtakenMs) return question;
  return { ...question, overtakenMs: tookMs };
}

/** Whether a connect is dead: its server has answered one that began later, and in a fraction of the time. */
export function isOvertaken({ askedAt, overtakenMs }: Question, now: number): boolean {
  return now - askedAt >= OVERDUE_FACTOR * overtakenMs;
}

/** When to look next whether the server answers anyone, if it has not by then: as soon as that is evidence, and then at twice the silence each time. */
export function nextLook({ askedAt, evidenceFrom }: Question, now: number): number {
  return Math.max(evidenceFrom, askedAt + 2 * (now - askedAt));
}
