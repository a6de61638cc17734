import type { PolicyProblem } from '../errors.js';
import { POLICY_KEYS, POLICY_OPTIONS } from './options.js';
import type { Policy, PolicyKey, PolicySource } from './policy.js';

/** Every setting, ready for JSON. */
export type PolicyDescription = Readonly<Record<PolicyKey, SettingDescription>>;

export interface SettingDescription {
  /** Durations in milliseconds; `none` for no limit, or off. */
  readonly value: number | boolean | string;
  readonly source: PolicySource;
}

/** Describes every value and its source, so that a stray variable can be found. */
export function describePolicy(policy: Policy): PolicyDescription {
  const described = POLICY_KEYS.map((key): [PolicyKey, SettingDescription] => {
    const value = policy[key] === Number.POSITIVE_INFINITY ? 'none' : policy[key];
    return [key, { value, source: policy.sources[key] }];
  });
  return Object.fromEntries(described) as PolicyDescription;
}

/** Keys that do not exist. Their values are not shown: a value that was passed by mistake may be a secret. */
export function unknownKeys(prefix: string, given: object, known: readonly PolicyKey[]): PolicyProblem[] {
  const unknown = Object.entries(given).filter(([key]) => !known.includes(key as PolicyKey));
  return unknown.map(([key, value]) => {
    const nearest = nearestKey(key, known);
    const hint = nearest === undefined ? `the keys are ${known.join(', ')}` : `is ${nearest} meant?`;
    return { name: `${prefix}.${key}`, value: kindOf(value), allowed: `no such key; ${hint}` };
  });
}

/** The type of a value, where the value itself must not be shown. */
export function kindOf(value: unknown): string {
  return `(${value === null ? 'null' : typeof value})`;
}

/** The key that this word probably means. The word may be the name of a variable. */
function nearestKey(word: string, keys: readonly PolicyKey[]): PolicyKey | undefined {
  const written = word.toLowerCase();
  const names = keys.flatMap((key) => [key, POLICY_OPTIONS[key].env].map((name) => ({ key, name })));
  const ranked = names.map(({ key, name }) => ({ key, steps: stepsBetween(written, name.toLowerCase()) }));
  const best = ranked.reduce((one, other) => (other.steps < one.steps ? other : one));
  return best.steps <= written.length / 3 ? best.key : undefined;
}

/** The number of letters to add, remove or change (Levenshtein). */
function stepsBetween(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, column) => column);
  for (const letter of one) {
    const next = [row[0]! + 1];
    for (let column = 0; column < other.length; column++) {
      const change = row[column]! + (letter === other[column] ? 0 : 1);
      next.push(Math.min(change, row[column + 1]! + 1, next[column]! + 1));
    }
    row = next;
  }
  return row.at(-1)!;
}
