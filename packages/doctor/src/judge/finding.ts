/** Findings of one severity are listed in this order. */
export const FINDING_IDS = [
  'full',
  'not-reused',
  'per-request',
  'closed-by-errors',
  'fleet-too-large',
  'open-transaction',
  'lock-waits',
  'oversized',
  'same-age',
  'clients-vanish',
  'half-open',
  'login-storm',
  'not-prepared',
  'behind-pooler',
  'cannot-tell',
] as const;

export type FindingId = (typeof FINDING_IDS)[number];

export const SEVERITIES = ['critical', 'warning', 'info'] as const;

export type Severity = (typeof SEVERITIES)[number];

/** Figures and words that a finding rests on, by name. */
export type Evidence = Readonly<Record<string, number | string | boolean | readonly string[]>>;

export interface Finding {
  readonly id: FindingId;
  readonly severity: Severity;
  /** The name of the group of sessions it is about; null for the server as a whole. */
  readonly group: string | null;
  readonly evidence: Evidence;
  /** What happens, with figures. */
  readonly what: string;
  /** Why it matters. */
  readonly why: string;
  /** The likeliest cause, the second likeliest, and the sign that separates the two. */
  readonly cause: string;
  /** One setting to change, with the suspected stack and with Tenure. */
  readonly fix: string;
}
