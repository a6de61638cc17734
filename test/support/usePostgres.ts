import { afterAll, afterEach, inject } from 'vitest';
import { type PostgresOptions, type PostgresServer, startPostgres } from './postgres.js';

/** One server for the tests of a file: `const postgres = await usePostgres()`. Its log is printed when a test fails. */
export async function usePostgres(options?: Omit<PostgresOptions, 'version'>): Promise<PostgresServer> {
  const server = await startPostgres({ ...options, prepared: inject('preparedCluster') });
  afterEach(({ task }) => {
    if (task.result?.state === 'fail') console.error(`PostgreSQL's log, after "${task.name}":\n${server.log()}`);
  });
  afterAll(() => server.stop());
  return server;
}
