import { parsePolicy, TenurePolicyError } from '@tenure/core';
import { UsageError } from '../output/usageError.js';

/** What all processes of a contender with Tenure may open together, unless the environment says something else. */
const BUDGET = '40';

/** Gives an app with Tenure its budget, where the environment has none. */
export function setBudget(env: NodeJS.ProcessEnv): void {
  env.CONN_BUDGET ||= BUDGET;
}

/** How many connections a process of the Tenure contender may open: what the environment says, else what the app wrote. */
export function tenureLimit(max: number): number {
  return policyOf(max).maxConnections;
}

/** How many of them each process may have at once, if all have as many, so that all stay within the budget. */
export function limitInBudget(max: number, processes: number): number {
  const { maxConnections, budget } = policyOf(max);
  return budget === 'auto' || budget === 0 ? maxConnections : Math.min(maxConnections, budget / processes);
}

function policyOf(max: number) {
  const env = { ...process.env };
  setBudget(env);
  try {
    return parsePolicy(env, {}, { maxConnections: { name: 'pool.max', value: max } });
  } catch (error) {
    throw error instanceof TenurePolicyError ? new UsageError(error.message) : error;
  }
}
