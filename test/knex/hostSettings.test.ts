import { type PolicyProblem, TenurePolicyError } from '@tenure/core';
import { poolOf, tenure } from '@tenure/knex';
import type { Knex } from 'knex';
import knex from 'knex';
import { describe, expect, it } from 'vitest';
import { KNEX_VERSION, Log } from './support.js';

const NONE = 'none';
type Expected = Record<string, unknown>;

/** The part of the policy that a Knex config decides. */
async function translated(config: Knex.Config): Promise<Expected> {
  const db = knex(tenure({ client: 'pg', connection: { port: 1 }, log: new Log(), ...config }));
  const { policy } = poolOf(db).stats();
  await db.destroy();
  const fromHost = Object.entries(policy).filter(([, { source }]) => source.from === 'host');
  return Object.fromEntries(fromHost.map(([key, { value }]) => [key, value]));
}

function problems(config: Knex.Config): readonly PolicyProblem[] {
  try {
    tenure({ client: 'pg', ...config });
  } catch (error) {
    if (error instanceof TenurePolicyError) return error.problems;
    throw error;
  }
  return [];
}

/** Whether Knex itself, without Tenure, refuses the config. */
async function isRefusedByKnex(config: Knex.Config): Promise<boolean> {
  try {
    await knex({ client: 'pg', connection: { port: 1 }, log: new Log(), ...config }).destroy();
    return false;
  } catch {
    return true;
  }
}

const ROWS: [Knex.Config, Expected][] = [
  // lib/client.js: `poolDefaults() { return { min: 2, max: 10 } }`: Knex's own, not the app's.
  [{}, {}],
  [{ pool: {} }, {}],
  // tarn/Pool.js: `typeof opt.max !== 'number' || opt.max <= 0` is refused.
  [{ pool: { max: 7 } }, { maxConnections: 7 }],
  // Knex's default minimum of 2 is above this maximum; by itself Knex refuses it.
  [{ pool: { max: 1 } }, { maxConnections: 1 }],
  // `check()`: `minKeep = this.min - this.used.length`.
  [{ pool: { min: 3 } }, { minConnections: 3 }],
  [{ pool: { min: 0 } }, { minConnections: 0 }],
  // `duration(timestamp, free.timestamp) >= this.idleTimeoutMillis`
  [{ pool: { idleTimeoutMillis: 5_000 } }, { idleTimeoutMs: 5_000 }],
  [{ pool: { idleTimeoutMillis: Number.POSITIVE_INFINITY } }, { idleTimeoutMs: NONE }],
  // `new PendingOperation(this.createTimeoutMillis)` around each create.
  [{ pool: { createTimeoutMillis: 4_000 } }, { connectTimeoutMs: 4_000 }],
  // lib/client.js: `Math.min(...[config.acquireConnectionTimeout, pool.acquireTimeoutMillis].filter(defined))`
  [{ acquireConnectionTimeout: 900 }, { acquireTimeoutMs: 900 }],
  [{ pool: { acquireTimeoutMillis: 800 } }, { acquireTimeoutMs: 800 }],
  [{ acquireConnectionTimeout: 900, pool: { acquireTimeoutMillis: 800 } }, { acquireTimeoutMs: 800 }],
  [{ acquireConnectionTimeout: 700, pool: { acquireTimeoutMillis: 800 } }, { acquireTimeoutMs: 700 }],
  // `Math.min('600')` is 600: a variable passed on unread works in Knex, and here.
  [{ acquireConnectionTimeout: '600' as never }, { acquireTimeoutMs: 600 }],
  // `maxConnectionLifetimeMillis > 0`, else no limit.
  [{ pool: { maxConnectionLifetimeMillis: 60_000 } }, { maxAgeMs: 60_000 }],
  [{ pool: { maxConnectionLifetimeMillis: 0 } }, { maxAgeMs: NONE }],
  [{ pool: { maxConnectionLifetimeMillis: 0, maxConnectionLifetimeJitterMillis: 10 } }, { maxAgeMs: NONE }],
  // `performance.now() + life + floor(random() * jitter)`: from 60 to 80 s, as 80 s less up to a quarter.
  [
    { pool: { maxConnectionLifetimeMillis: 60_000, maxConnectionLifetimeJitterMillis: 20_000 } },
    { maxAgeMs: 80_000, maxAgeJitter: 0.25 },
  ],
  [
    { pool: { maxConnectionLifetimeMillis: 60_000, maxConnectionLifetimeJitterMillis: 0 } },
    { maxAgeMs: 60_000, maxAgeJitter: 0 },
  ],
  // Without a lifetime Knex ignores its jitter.
  [{ pool: { maxConnectionLifetimeJitterMillis: 20_000 } }, {}],
  // Hooks are no limits.
  [{ pool: { afterCreate: () => {}, validate: () => true, log: () => {} } }, {}],
];

const REFUSED: [Knex.Config, string][] = [
  [{ pool: { max: -1 } }, 'pool.max'],
  [{ pool: { max: '10' as never } }, 'pool.max'],
  [{ pool: { max: 2.5 } }, 'pool.max'],
  [{ pool: { max: 3, min: 4 } }, 'pool.min'],
  [{ pool: { min: -1 } }, 'pool.min'],
  // tarn/utils.js: `checkOptionalTime` wants whole numbers above 0.
  [{ pool: { idleTimeoutMillis: 0 } }, 'pool.idleTimeoutMillis'],
  [{ pool: { idleTimeoutMillis: 1.5 } }, 'pool.idleTimeoutMillis'],
  [{ pool: { createTimeoutMillis: 0 } }, 'pool.createTimeoutMillis'],
  [{ pool: { acquireTimeoutMillis: 0 } }, 'pool.acquireTimeoutMillis'],
  [{ acquireConnectionTimeout: 0 }, 'acquireConnectionTimeout'],
  [{ acquireConnectionTimeout: 0, pool: { acquireTimeoutMillis: 100 } }, 'acquireConnectionTimeout'],
  [{ acquireConnectionTimeout: 'long' as never }, 'acquireConnectionTimeout'],
  // `Tarn: unsupported option opt.…`
  [{ pool: { refreshIdle: true } }, 'pool.refreshIdle'],
  [{ pool: { idleTimeout: 5 } as never }, 'pool.idleTimeout'],
];

describe('a pool setting of Knex', () => {
  it.each(ROWS.map(([config, expected]) => ({ config, expected })))(
    '$config means $expected',
    async ({ config, expected }) => {
      expect(await translated(config)).toEqual(expected);
    },
  );

  it.each(REFUSED.map(([config, name]) => ({ config, name })))(
    '$config is refused, as by Knex itself',
    async ({ config, name }) => {
      expect(problems(config).map((problem) => problem.name)).toEqual([name]);
      expect(await isRefusedByKnex(config)).toBe(true);
    },
  );

  it.each([
    // In Knex these silently mean no lifetime at all.
    [{ maxConnectionLifetimeMillis: -1 }, 'pool.maxConnectionLifetimeMillis'],
    [{ maxConnectionLifetimeMillis: '60000' as never }, 'pool.maxConnectionLifetimeMillis'],
    // The shortest life would be less than a tenth of the longest.
    [
      { maxConnectionLifetimeMillis: 1_000, maxConnectionLifetimeJitterMillis: 10_000 },
      'pool.maxConnectionLifetimeJitterMillis',
    ],
  ] as [Knex.PoolConfig, string][])('%o is refused, although Knex takes it', async (pool, name) => {
    expect(problems({ pool }).map((problem) => problem.name)).toEqual([name]);
    if (KNEX_VERSION !== 'knex-3.1') expect(await isRefusedByKnex({ pool })).toBe(false);
  });

  it('is shown in an error as it was written', () => {
    const [problem] = problems({ acquireConnectionTimeout: 'long' as never });
    expect(problem).toMatchObject({ name: 'acquireConnectionTimeout', value: 'long' });
  });
});
