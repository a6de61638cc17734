import { type PolicyProblem, TenurePolicyError } from '../../../packages/core/src/errors.js';

/** The problems for which a call is refused. Fails when it is not refused, or not with a TenurePolicyError. */
export function problemsOf(refused: () => unknown): readonly PolicyProblem[] {
  return errorOf(refused).problems;
}

export function errorOf(refused: () => unknown): TenurePolicyError {
  try {
    refused();
  } catch (error) {
    if (error instanceof TenurePolicyError) return error;
    throw error;
  }
  throw new Error('It was not refused.');
}
