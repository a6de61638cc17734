import { TenurePolicyError } from '../errors.js';
import { unknownKeys } from './describePolicy.js';
import { POLICY_KEYS } from './options.js';
import { conflicts, defaultOf, inArgument, problemOf, settingOf } from './parsePolicy.js';
import { type Policy, type PolicyKey, type PolicyOverrides, type PolicySetting, policyOf } from './policy.js';

const LIMITS = ['maxConnections', 'reuseConnections', 'minConnections'] as const;

/** The settings that may change while a pool runs. */
export type Limits = Pick<PolicyOverrides, (typeof LIMITS)[number]>;

/** The limits that bound a pool now: those of its policy, or less if less was granted. */
export type EffectiveLimits = Readonly<Pick<Policy, (typeof LIMITS)[number]>>;

/** @param granted the most connections that the pool may have, whatever its policy says; `Infinity` without such a bound */
export function effectiveLimits(policy: Policy, granted: number): EffectiveLimits {
  return {
    maxConnections: Math.min(policy.maxConnections, granted),
    reuseConnections: Math.min(policy.reuseConnections, granted),
    minConnections: Math.min(policy.minConnections, granted),
  };
}

/**
 * The same policy with other limits. A default `reuseConnections` goes on following `maxConnections`.
 *
 * @throws TenurePolicyError that lists every problem
 */
export function withLimits(policy: Policy, limits: Limits): Policy {
  const written = LIMITS.flatMap((key) => inArgument(key, limits, 'resize').map((one) => ({ key, one })));
  const problems = [
    ...unknownKeys('resize', limits, LIMITS),
    ...written.flatMap(({ key, one }) => problemOf(key, one)),
  ];
  if (problems.length > 0) throw new TenurePolicyError(problems);
  const settings = settingsOf(policy);
  for (const { key, one } of written) settings.set(key, settingOf(one)!);
  if (settings.get('reuseConnections')?.source.from === 'default')
    settings.set('reuseConnections', defaultOf('reuseConnections', settings)!);
  const clashes = conflicts(settings);
  if (clashes.length > 0) throw new TenurePolicyError(clashes);
  return policyOf(settings, policy.name);
}

function settingsOf(policy: Policy): Map<PolicyKey, PolicySetting> {
  return new Map(POLICY_KEYS.map((key) => [key, { value: policy[key], source: policy.sources[key] }]));
}

/** Whether a policy has a budget. */
export function hasBudget({ budget }: Policy): boolean {
  return budget === 'auto' || (budget > 0 && Number.isFinite(budget));
}
