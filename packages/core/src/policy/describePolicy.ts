import { POLICY_KEYS, POLICY_OPTIONS } from './options.js';
import type { Policy, PolicyKey, PolicySource } from './policy.js';

/** Every setting, ready for JSON. */
export type PolicyDescription = Readonly<Record<PolicyKey, SettingDescription>>;

export interface SettingDescription {
  /** Durations in milliseconds; `none` for no limit, or off. */
  readonly value: number | boolean | string;
  readonly source: PolicySource;
  /** It was set, but this version does not act on it yet. */
  readonly later?: true;
}

/** Every value and where it came from, so that a stray variable is found. */
export function describePolicy(policy: Policy): PolicyDescription {
  const later = new Set(laterSettings(policy).map(({ key }) => key));
  const described = POLICY_KEYS.map((key): [PolicyKey, SettingDescription] => {
    const value = policy[key] === Number.POSITIVE_INFINITY ? 'none' : policy[key];
    return [key, { value, source: policy.sources[key], ...(later.has(key) && { later: true }) }];
  });
  return Object.fromEntries(described) as PolicyDescription;
}

/** What was set but is not acted on yet, by its key and by the name under which it was written. To turn off what is not there is no news. */
export function laterSettings(policy: Policy): readonly { readonly key: PolicyKey; readonly name: string }[] {
  const keys = POLICY_KEYS.filter(
    (key) => POLICY_OPTIONS[key].later && policy.sources[key].from !== 'default' && !isOff(policy[key]),
  );
  return keys.map((key) => ({ key, name: policy.sources[key].name ?? key }));
}

function isOff(value: unknown): boolean {
  return value === false || value === 0 || value === Number.POSITIVE_INFINITY;
}
