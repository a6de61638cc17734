import { parsePolicy, TenurePolicyError } from '@tenure/core';
import { UsageError } from '../output/usageError.js';

/** How many connections a process of the Tenure contender may open: what the environment says, else what the app wrote. */
export function tenureLimit(max: number): number {
  try {
    return parsePolicy(process.env, {}, { maxConnections: { name: 'pool.max', value: max } }).maxConnections;
  } catch (error) {
    throw error instanceof TenurePolicyError ? new UsageError(error.message) : error;
  }
}
