import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { endWithLaunchers } from './test/support/launchers.js';

endWithLaunchers();

// Scripts of the tests run by tsx, which would leave its cache in the temporary folder.
process.env.TSX_DISABLE_CACHE = '1';

// Tests run against the TypeScript sources: no build needed.
const conditions = ['@tenure/source', 'module', 'node', 'development|production'];

const shared = {
  environment: 'node',
  restoreMocks: true,
  // Tests with servers mostly wait: even of two cores there is work for three workers, where Vitest would take one.
  maxWorkers: Math.max(3, availableParallelism() - 1),
} as const;

/**
 * Warnings that tests provoke on purpose: servers that are away, budgets smaller than the fleet, clients that are misused. They are
 * not printed. A test that expects one listens for it.
 */
const PROVOKED = [
  'TENURE_BUDGET_GUEST',
  'TENURE_BUDGET_OFF',
  'TENURE_LEAK',
  'TENURE_NOT_CONNECTED',
  'TENURE_NOT_REUSED',
  'TENURE_POOLER',
  'TENURE_ROLLED_BACK',
  'TENURE_STATEMENT_SLOWER',
].map((warning) => `--disable-warning=${warning}`);

/** What takes a server takes longer on a machine that has other things to do, and so may whatever is waited for. */
const databaseTests = {
  ...shared,
  testTimeout: 30_000,
  hookTimeout: 60_000,
  expect: { poll: { timeout: 10_000 } },
  execArgv: PROVOKED,
  setupFiles: ['test/support/pgDeprecations.ts'],
  globalSetup: ['test/support/preparedCluster.ts', 'test/prisma/generate.ts', 'test/support/inspectorPage.ts'],
};

const FLEET = 'test/faults/fleet*.test.ts';

/** The Knex tests with an older Knex, which the tests and the plugin then both import. */
function withKnex(name: string) {
  const replacement = createRequire(new URL('test/package.json', import.meta.url)).resolve(name);
  return {
    ...databaseTests,
    name,
    include: ['test/knex/**/*.test.ts'],
    // Its scripts run in processes of their own, where no other version of Knex takes the place of the workspace's.
    exclude: ['test/knex/exit.test.ts'],
    env: { KNEX_UNDER_TEST: name },
    alias: [{ find: /^knex$/, replacement }],
  };
}

/** unit: no server, no sleeps. postgres: servers of their own. faults: and networks that break. fleet: and many processes. package: what `pnpm run package` has packed. */
export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    projects: [
      {
        extends: true,
        test: {
          ...shared,
          name: 'unit',
          execArgv: PROVOKED,
          // No file changes what another one imports: they share a process's modules, and take half as long.
          isolate: false,
          include: ['test/unit/**/*.test.ts', '{replay,bench}/test/unit/**/*.test.ts'],
          globalSetup: ['test/support/inspectorPage.ts'],
          setupFiles: ['test/support/fastCheckSeed.ts'],
          // Properties are checked in seconds, and on a machine that has other things to do in more.
          testTimeout: 30_000,
        },
      },
      {
        extends: true,
        test: {
          ...databaseTests,
          name: 'postgres',
          include: [
            'test/{postgres,knex,prisma,differential,inspector}/**/*.test.ts',
            'replay/test/postgres/**/*.test.ts',
          ],
        },
      },
      {
        extends: true,
        test: {
          ...databaseTests,
          name: 'faults',
          include: ['test/faults/**/*.test.ts'],
          exclude: [FLEET],
          // After all others, and fewer at a time, since these assert deadlines.
          sequence: { groupOrder: 1 },
          maxWorkers: 2,
        },
      },
      {
        extends: true,
        test: {
          ...databaseTests,
          name: 'fleet',
          include: [FLEET],
          // Alone: they start up to 24 processes, which took the cores from other tests with deadlines.
          sequence: { groupOrder: 2 },
          maxWorkers: 1,
        },
      },
      { extends: true, test: withKnex('knex-3.1') },
      { extends: true, test: withKnex('knex-3.2') },
      {
        extends: true,
        test: {
          ...shared,
          name: 'package',
          // npm and TypeScript do not wait: they work.
          maxWorkers: 2,
          include: ['test/package/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
