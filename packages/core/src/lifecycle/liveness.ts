import type { Policy } from '../policy/policy.js';

/** A request that the server has not answered yet: a check, the reset of a returned session, or a connect. */
export interface PendingRequest {
  readonly sentAt: number;
  /** Only answers to requests sent from this moment on count against this one. */
  readonly evidenceFrom: number;
  /** Duration of the quickest of those answers; `Infinity` while there is none. */
  readonly overtakenMs: number;
  /** How long the answer may take at most. */
  readonly longestMs: number;
}

/** An answer that takes this many times as long as that of a later request is missing, not slow. */
const OVERDUE_FACTOR = 3;

/** How long a connection may be silent while its server answers no connection at all. Until then the server counts as slow. */
const SILENT_SERVER_MS = 10_000;
const SILENT_SERVER_FACTOR = 10;
/** The same for a session whose caller has left a query unfinished, since that query may wait for ever. */
const UNFINISHED_FACTOR = 4;

/**
 * A check or a reset. For the first half of `healthTimeoutMs`, answers to other requests do not count against it: they may have
 * been sent before the server slowed down, and on a slow server the answer to an earlier request proves nothing about a later
 * one.
 *
 * @param isUnfinished whether the session is busy with a query whose caller does not wait
 */
export function pendingCheck(now: number, { healthTimeoutMs }: Policy, isUnfinished: boolean): PendingRequest {
  const longestMs = isUnfinished
    ? UNFINISHED_FACTOR * healthTimeoutMs
    : Math.max(SILENT_SERVER_MS, SILENT_SERVER_FACTOR * healthTimeoutMs);
  return { sentAt: now, evidenceFrom: now + healthTimeoutMs / 2, overtakenMs: Number.POSITIVE_INFINITY, longestMs };
}

/** A connect. The answer to any later connect counts against it. */
export function pendingConnect(now: number): PendingRequest {
  const { POSITIVE_INFINITY: none } = Number;
  return { sentAt: now, evidenceFrom: now, overtakenMs: none, longestMs: none };
}

/**
 * The moment at which a silent connection counts as dead: after `healthTimeoutMs`, once its server has answered a later request,
 * and by a multiple of that answer's duration, less the time between the two requests. Without such an answer, only after a limit
 * that no slow server should reach.
 *
 * A slow server makes every connection silent. If the pool closed them, it would open new ones, which a slow server can bear
 * least.
 */
export function deadAt({ sentAt, overtakenMs, longestMs }: PendingRequest, { healthTimeoutMs }: Policy): number {
  const overdueMs = OVERDUE_FACTOR * overtakenMs - healthTimeoutMs / 2;
  return sentAt + Math.min(longestMs, Math.max(healthTimeoutMs, overdueMs));
}

/** The request after the server has answered another one that was sent at `sentAt`. */
export function afterAnswer(request: PendingRequest, sentAt: number, tookMs: number): PendingRequest {
  const isEvidence = sentAt >= request.evidenceFrom && sentAt > request.sentAt;
  if (!isEvidence || tookMs >= request.overtakenMs) return request;
  return { ...request, overtakenMs: tookMs };
}

/** Whether a connect is dead: the server has answered a later one in a fraction of the time. */
export function isOvertaken({ sentAt, overtakenMs }: PendingRequest, now: number): boolean {
  return now - sentAt >= OVERDUE_FACTOR * overtakenMs;
}

/**
 * When to probe the server next, if it has answered no request by then: as soon as an answer would count, and then at twice the
 * silence each time.
 */
export function nextProbe({ sentAt, evidenceFrom }: PendingRequest, now: number): number {
  return Math.max(evidenceFrom, sentAt + 2 * (now - sentAt));
}
