import type { HostSettings } from '@tenure/core';
import type { Knex } from 'knex';

type HostSetting = NonNullable<HostSettings['maxAgeMs']>;
type Settings = { -readonly [K in keyof HostSettings]: HostSettings[K] };

/** Settings that mean the same in Knex and here. Tarn, Knex's pool, accepts none of them as text, and 0 only for `min`; so does Tenure. */
const SAME: readonly (readonly [keyof Knex.PoolConfig, keyof HostSettings])[] = [
  ['max', 'maxConnections'],
  // tarn closes idle connections down to `min`, and opens none to reach it.
  ['min', 'minConnections'],
  ['idleTimeoutMillis', 'idleTimeoutMs'],
  ['createTimeoutMillis', 'connectTimeoutMs'],
];

/** Settings of tarn that Tenure ignores, because its policy decides these things. */
const IGNORED = ['reapIntervalMillis', 'createRetryIntervalMillis', 'destroyTimeoutMillis', 'propagateCreateError'];

/** Settings that this package reads. */
const READ = [
  ...SAME.map(([option]) => option),
  ...['acquireTimeoutMillis', 'maxConnectionLifetimeMillis', 'maxConnectionLifetimeJitterMillis'],
  ...['afterCreate', 'validate', 'log'],
];

/** Translates what the app wrote in its Knex config; Knex's own defaults (`min: 2`) are left out. */
export function fromKnex(config: Knex.Config): HostSettings {
  const pool = config.pool ?? {};
  const settings: Settings = { ...acquireTimeout(config), ...lifetime(pool) };
  for (const [option, key] of SAME) {
    if (pool[option] !== undefined) Object.assign(settings, { [key]: setting(`pool.${option}`, pool[option]) });
  }
  const known = [...READ, ...IGNORED];
  const unknown = Object.keys(pool).filter((option) => !known.includes(option));
  // tarn refuses unknown options too.
  const problems = unknown.map((option) => ({
    name: `pool.${option}`,
    value: `(${typeof pool[option as keyof Knex.PoolConfig]})`,
    allowed: `no such setting; the settings are ${known.join(', ')}`,
  }));
  return problems.length > 0 ? { ...settings, problems } : settings;
}

/** The settings in a pool config that change nothing here. */
export function ignoredSettings(pool: Knex.PoolConfig = {}): string[] {
  return IGNORED.filter((option) => option in pool).map((option) => `pool.${option}`);
}

/** Knex uses the smaller of two: `Math.min(config.acquireConnectionTimeout, pool.acquireTimeoutMillis)`, which also accepts text. */
function acquireTimeout({ acquireConnectionTimeout, pool }: Knex.Config): HostSettings {
  const written = { acquireConnectionTimeout, 'pool.acquireTimeoutMillis': pool?.acquireTimeoutMillis };
  const given = Object.entries(written).filter(([, value]) => value !== undefined);
  const shortest = given.reduce((one, other) => (Number(other[1]) < Number(one[1]) ? other : one), given[0]!);
  if (shortest === undefined) return {};
  const [name, value] = shortest;
  return { acquireTimeoutMs: setting(name, Number(value), value) };
}

/**
 * Knex: `maxConnectionLifetimeMillis + random() * maxConnectionLifetimeJitterMillis`. Tenure's jitter shortens the age, so the
 * sum is the maximum age here.
 */
function lifetime({
  maxConnectionLifetimeMillis: life,
  maxConnectionLifetimeJitterMillis: jitter,
}: Knex.PoolConfig): HostSettings {
  if (life === undefined) return {};
  const name = 'pool.maxConnectionLifetimeMillis';
  // `hasMaxConnectionLifetime = … && maxConnectionLifetimeMillis > 0`
  if (life === 0) return { maxAgeMs: setting(name, Number.POSITIVE_INFINITY, 0) };
  // `jitter = … && maxConnectionLifetimeJitterMillis > 0 ? … : 0`
  if (jitter === undefined || !Number.isFinite(life)) return { maxAgeMs: setting(name, life) };
  return {
    maxAgeMs: setting(name, Math.round(life + jitter), life),
    maxAgeJitter: setting('pool.maxConnectionLifetimeJitterMillis', jitter / (life + jitter), jitter),
  };
}

/** The parser checks the type, and shows the value as it was written. */
function setting(name: string, value: unknown, written = value): HostSetting {
  return { name, value: value as number, written };
}
