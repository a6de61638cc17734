import type { Facts } from '../facts.js';
import type { Finding, FindingId } from '../finding.js';

/** Gets what the rules before it have found: some findings explain others. */
export type Rule = (facts: Facts, before: readonly Finding[]) => Finding[];

export function foundAny(before: readonly Finding[], ids: readonly FindingId[]): boolean {
  return before.some(({ id, severity }) => severity !== 'info' && ids.includes(id));
}
