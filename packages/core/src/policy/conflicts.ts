import type { PolicyProblem } from '../errors.js';
import { POLICY_OPTIONS } from './options.js';
import type { PolicyKey, PolicySetting } from './policy.js';

/** The first may not exceed the second. */
const ORDER: readonly (readonly [PolicyKey, PolicyKey])[] = [
  ['reuseConnections', 'maxConnections'],
  ['minConnections', 'maxConnections'],
  ['minConnections', 'reuseConnections'],
];

/** Values that are fine alone but not together. A value that follows another by default is in nobody's way. */
export function conflicts(settings: ReadonlyMap<PolicyKey, PolicySetting>): PolicyProblem[] {
  return ORDER.flatMap(([smaller, larger]) => {
    const low = settings.get(smaller);
    const high = settings.get(larger);
    if (low === undefined || high === undefined || low.value <= high.value || follows(larger, high)) return [];
    const name = low.source.name ?? smaller;
    return [{ name, value: low.value, allowed: `at most ${bound(larger, high)}` }];
  });
}

function follows(key: PolicyKey, { source }: PolicySetting): boolean {
  return source.from === 'default' && typeof POLICY_OPTIONS[key].default === 'object';
}

function bound(key: PolicyKey, { value, source }: PolicySetting): string {
  if (source.name !== undefined) return `${source.name}, which is ${value}`;
  return `${key}, which is ${value} by default (${POLICY_OPTIONS[key].env})`;
}
