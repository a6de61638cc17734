import { Pool } from 'pg';
import { describe, expect, it } from 'vitest';
import { POLICY_KEYS } from '../../../packages/core/src/policy/options.js';
import { parsePolicy } from '../../../packages/core/src/policy/parsePolicy.js';
import type { PolicyKey, PolicyValue } from '../../../packages/core/src/policy/policy.js';
import { fromPgPool } from '../../../packages/core/src/postgres/pool/pgPoolOptions.js';
import { problemsOf } from './problemsOf.js';

const NONE = Number.POSITIVE_INFINITY;

/** The app's options, and all that follows from them for the policy. */
const ROWS: readonly (readonly [object, { readonly [K in PolicyKey]?: PolicyValue }])[] = [
  [{}, {}],
  [{ max: 20 }, { maxConnections: 20 }],
  [{ max: 1 }, { maxConnections: 1 }],
  [{ max: 0 }, {}],
  [{ max: undefined }, {}],
  [{ poolSize: 20 }, { maxConnections: 20 }],
  [{ poolSize: 0 }, {}],
  [{ max: 5, poolSize: 20 }, { maxConnections: 5 }],
  [{ max: 0, poolSize: 20 }, { maxConnections: 20 }],
  [{ max: 5, poolSize: 0 }, { maxConnections: 5 }],
  [{ max: '20' }, { maxConnections: 20 }],
  [{ max: null }, {}],
  [{ min: 0 }, { minConnections: 0 }],
  [{ min: null }, { minConnections: 0 }],
  [{ min: -0 }, { minConnections: 0 }],
  [{ min: 2 }, { minConnections: 2 }],
  [{ min: undefined }, {}],
  [{ idleTimeoutMillis: 0 }, { idleTimeoutMs: NONE }],
  [{ idleTimeoutMillis: NONE }, { idleTimeoutMs: NONE }],
  [{ idleTimeoutMillis: null }, { idleTimeoutMs: NONE }],
  [{ idleTimeoutMillis: '0' }, { idleTimeoutMs: NONE }],
  [{ idleTimeoutMillis: 1 }, { idleTimeoutMs: 1 }],
  [{ idleTimeoutMillis: 2_147_483_647 }, { idleTimeoutMs: 2_147_483_647 }],
  [{ idleTimeoutMillis: undefined }, {}],
  [{ connectionTimeoutMillis: 0 }, { acquireTimeoutMs: NONE, connectTimeoutMs: NONE }],
  [{ connectionTimeoutMillis: NONE }, { acquireTimeoutMs: NONE, connectTimeoutMs: NONE }],
  [{ connectionTimeoutMillis: 2_000 }, { acquireTimeoutMs: 2_000, connectTimeoutMs: 2_000 }],
  [{ connectionTimeoutMillis: undefined }, {}],
  [{ maxUses: 0 }, { maxUses: NONE }],
  [{ maxUses: NONE }, { maxUses: NONE }],
  [{ maxUses: 1 }, { maxUses: 1 }],
  [{ maxUses: 7_500 }, { maxUses: 7_500 }],
  [{ maxUses: undefined }, {}],
  [{ maxLifetimeSeconds: 0 }, { maxAgeMs: NONE }],
  [{ maxLifetimeSeconds: NONE }, { maxAgeMs: NONE }],
  [{ maxLifetimeSeconds: 60 }, { maxAgeMs: 60_000 }],
  [{ maxLifetimeSeconds: 0.5 }, { maxAgeMs: 500 }],
  [{ maxLifetimeSeconds: 1.001 }, { maxAgeMs: 1_001 }], // times 1000 in floating point: 1000.9999999999999
  [{ maxLifetimeSeconds: undefined }, {}],
  [{ allowExitOnIdle: true }, { exitOnIdle: true }],
  [{ allowExitOnIdle: false }, { exitOnIdle: false }],
  [{ allowExitOnIdle: null }, { exitOnIdle: false }],
  [{ allowExitOnIdle: undefined }, {}],
  [{ host: 'db', password: 'hunter2', ssl: true, onConnect: () => {}, log: null, Client: Object }, {}],
];

describe('The options of pg.Pool', () => {
  it.each(ROWS)('%j → %j', (options, expected) => {
    const policy = parsePolicy({}, {}, fromPgPool(options));
    const fromHost = POLICY_KEYS.filter((key) => policy.sources[key].from === 'host');
    expect(Object.fromEntries(fromHost.map((key) => [key, policy[key]]))).toEqual(expected);
  });

  it.each([
    ['max', [-1, 2.5, 262_144, NONE]],
    ['poolSize', [-1, 2.5, NONE]],
    ['min', [-1, 2.5, NONE]],
    ['idleTimeoutMillis', [-1, 0.5, 2 ** 31]],
    ['connectionTimeoutMillis', [-1, 0.5, 2 ** 31]],
    ['maxUses', [-1, 2.5]],
    ['maxLifetimeSeconds', [-1, 2_147_484]],
  ])('%s out of bounds is refused, and shown as the app wrote it: %j', (option, values) => {
    for (const value of values) {
      const problems = problemsOf(() => parsePolicy({}, {}, fromPgPool({ [option]: value })));
      expect(problems).toEqual([
        { name: `pool.${option}`, value, allowed: expect.stringMatching(/whole number|from/) },
      ]);
    }
  });

  it.each([
    ['max', 'a number'],
    ['poolSize', 'a number'],
    ['min', 'a number'],
    ['idleTimeoutMillis', 'a number; 0 = no limit'],
    ['connectionTimeoutMillis', 'a number; 0 = no limit'],
    ['maxUses', 'a number; 0 = no limit'],
    ['maxLifetimeSeconds', 'a number; 0 = no limit'],
  ])('%s of a wrong type is refused: %s', (option, allowed) => {
    for (const value of ['ten', '', Number.NaN, true, 10n, Symbol('10')]) {
      const problems = problemsOf(() => parsePolicy({}, {}, fromPgPool({ [option]: value })));
      expect(problems).toEqual([{ name: `pool.${option}`, value, allowed }]);
    }
  });

  it.each(['true', 1, 0, ''])('allowExitOnIdle of a wrong type is refused: %j', (value) => {
    const problems = problemsOf(() => parsePolicy({}, {}, fromPgPool({ allowExitOnIdle: value })));
    expect(problems).toEqual([{ name: 'pool.allowExitOnIdle', value, allowed: 'true or false' }]);
  });

  it('yield to the environment', () => {
    const policy = parsePolicy(
      { MAX_CONNS: '3', CONN_MAX_AGE: 'none' },
      {},
      fromPgPool({ max: 9, maxLifetimeSeconds: 5 }),
    );
    expect(policy).toMatchObject({ maxConnections: 3, maxAgeMs: NONE });
  });

  it('may be missing', () => {
    expect(fromPgPool()).toEqual({});
    expect(fromPgPool(undefined)).toEqual({});
  });
});

describe('The translation rests on what pg.Pool does itself', () => {
  const read = (written: object, option: string) => new Pool(written).options[option as 'max'] as unknown;

  it.each([
    ['max', {}, 10],
    ['max', { max: 0 }, 10],
    ['max', { poolSize: 20 }, 20],
    ['max', { max: 5, poolSize: 20 }, 5],
    ['max', { max: 0, poolSize: 20 }, 20],
    ['min', {}, 0],
    ['maxUses', {}, NONE],
    ['maxUses', { maxUses: 0 }, NONE],
    ['maxLifetimeSeconds', {}, 0],
    ['idleTimeoutMillis', {}, 10_000],
    ['idleTimeoutMillis', { idleTimeoutMillis: 0 }, 0],
    ['connectionTimeoutMillis', {}, undefined],
    ['allowExitOnIdle', {}, false],
  ])('%s of %j is %s', (option, written, value) => {
    expect(read(written, option)).toBe(value);
  });
});
