import type { Facts } from '../facts.js';
import type { Finding, FindingId } from '../finding.js';

/** `before` has the findings of earlier rules, which may explain the same signs. */
export type Rule = (facts: Facts, before: readonly Finding[]) => Finding[];

export function foundAny(before: readonly Finding[], ids: readonly FindingId[]): boolean {
  return before.some(({ id, severity }) => severity !== 'info' && ids.includes(id));
}
