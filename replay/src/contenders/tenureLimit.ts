import { parsePolicy, TenurePolicyError } from '@tenure/core';
import { UsageError } from '../output/usageError.js';

/** The most connections of all processes of a contender with Tenure, unless the environment sets another number. */
const BUDGET = '40';

/** Gives an app with Tenure its budget, if the environment has none. */
export function setBudget(env: NodeJS.ProcessEnv): void {
  env.CONN_BUDGET ||= BUDGET;
}

/** The most connections of a process of the Tenure contender: by the environment, else by the app's argument. */
export function tenureLimit(max: number): number {
  return policyOf(max).maxConnections;
}

/** The equal share of each process, with which all stay within the budget. */
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
