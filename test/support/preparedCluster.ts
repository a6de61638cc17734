import type { TestProject } from 'vitest/node';
import { type PreparedCluster, preparePostgres } from './postgres.js';

declare module 'vitest' {
  export interface ProvidedContext {
    preparedCluster: PreparedCluster;
  }
}

/** Vitest's global setup: one data directory, which the servers of all test files copy. */
export default async function prepareCluster(project: TestProject): Promise<() => Promise<void>> {
  const { folder, prepared } = await preparePostgres();
  project.provide('preparedCluster', prepared);
  return () => folder.remove();
}
