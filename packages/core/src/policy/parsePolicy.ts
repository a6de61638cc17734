import { type PolicyProblem, TenurePolicyError } from '../errors.js';
import { conflicts } from './conflicts.js';
import { POLICY_KEYS, POLICY_OPTIONS } from './options.js';
import {
  isPolicy,
  type Policy,
  type PolicyKey,
  type PolicyOverrides,
  type PolicySetting,
  type PolicyValue,
  policyOf,
} from './policy.js';
import { kindOf, unknownKeys } from './unknownKeys.js';
import {
  type Environment,
  type HostSettings,
  inArgument,
  inEnvironment,
  inHost,
  printable,
  problemOf,
  settingOf,
} from './written.js';

export type { Environment, HostSettings } from './written.js';

/**
 * Makes a policy of what was written: argument before environment before host before default. Everything that was written is checked,
 * also what a stronger source overrules, so that the list of problems is complete. A policy that has been checked before is complete
 * already, and comes back as it is.
 *
 * @throws TenurePolicyError that lists every problem
 */
export function parsePolicy(env: Environment, overrides: PolicyOverrides = {}, host: HostSettings = {}): Policy {
  if (typeof overrides !== 'object' || overrides === null) throw notAnObject(overrides);
  if (isPolicy(overrides)) return overrides;
  const { name, ...given } = overrides;
  const prefix = prefixOf(name);
  const problems = [...(host.problems ?? []), ...nameProblems(name), ...unknownKeys('policy', given, POLICY_KEYS)];
  const settings = new Map<PolicyKey, PolicySetting>();
  for (const key of POLICY_KEYS) {
    const written = [...inArgument(key, given, 'policy'), ...inEnvironment(key, env, prefix), ...inHost(key, host)];
    problems.push(...written.flatMap((one) => problemOf(key, one)));
    const setting = written[0] === undefined ? defaultOf(key, settings) : settingOf(written[0]);
    if (setting !== undefined) settings.set(key, setting);
  }
  problems.push(...conflicts(settings));
  if (problems.length > 0) throw new TenurePolicyError(withoutRepeats(problems));
  return policyOf(settings, name);
}

/** The default of a key; none where it follows a key that has a problem. */
export function defaultOf(key: PolicyKey, settings: ReadonlyMap<PolicyKey, PolicySetting>): PolicySetting | undefined {
  const source = { from: 'default' } as const;
  const { default: value } = POLICY_OPTIONS[key];
  if (typeof value !== 'object') return { value: value as PolicyValue, source };
  const followed = settings.get(value.sameAs);
  return followed && { value: followed.value, source };
}

/** `order-items` → `ORDER_ITEMS`. Empty when nothing is left. */
function prefixOf(name: unknown): string {
  if (typeof name !== 'string') return '';
  const words = name.toUpperCase().match(/[A-Z0-9]+/g) ?? [];
  return words.join('_');
}

function nameProblems(name: unknown): PolicyProblem[] {
  if (name === undefined || prefixOf(name) !== '') return [];
  const allowed = 'a string with a letter from A to Z or a digit (orders: ORDERS_MAX_CONNS is read before MAX_CONNS)';
  return [{ name: 'policy.name', value: printable(name), allowed }];
}

/** One option of a host's may stand for two keys, and is then refused twice. */
function withoutRepeats(problems: readonly PolicyProblem[]): PolicyProblem[] {
  const isSame = (one: PolicyProblem) => (other: PolicyProblem) =>
    other.name === one.name && other.allowed === one.allowed;
  return problems.filter((problem, index) => problems.findIndex(isSame(problem)) === index);
}

function notAnObject(overrides: unknown): TenurePolicyError {
  return new TenurePolicyError([{ name: 'policy', value: kindOf(overrides), allowed: 'an object of policy keys' }]);
}
