import { defineConfig } from 'vitest/config';

// Tests run against the TypeScript sources: no build needed.
const conditions = ['@tenure/source', 'module', 'node', 'development|production'];

const shared = {
  environment: 'node',
  restoreMocks: true,
} as const;

/** unit: no server, no sleeps. postgres: servers of their own. package: what `pnpm run package` has packed. */
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
          include: ['test/unit/**/*.test.ts', 'replay/test/unit/**/*.test.ts'],
          testTimeout: 10_000,
        },
      },
      {
        extends: true,
        test: {
          ...shared,
          name: 'postgres',
          include: ['test/{postgres,knex}/**/*.test.ts', 'replay/test/postgres/**/*.test.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          ...shared,
          name: 'package',
          include: ['test/package/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
