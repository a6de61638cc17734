import type { PolicyProblem } from '../errors.js';
import type { Reading } from './durations.js';
import { POLICY_OPTIONS } from './options.js';
import type { PolicyKey, PolicyOverrides, PolicySetting, PolicySource, PolicyValue } from './policy.js';
import { readText, readValue, wordsHint } from './readSetting.js';
import { kindOf } from './unknownKeys.js';

/** A setting of the host's (Knex, pg-pool), in Tenure's units. */
export interface HostSetting {
  readonly value: PolicyValue;
  /** As the app wrote it: `pool.max`. */
  readonly name: string;
  /** The value as the app wrote it, where that differs; errors show it. */
  readonly written?: unknown;
}

/** What the app itself wrote in its host's pool settings, and what is wrong with it. The host's own defaults are not in here. */
export type HostSettings = { readonly [K in PolicyKey]?: HostSetting } & {
  readonly problems?: readonly PolicyProblem[];
};

export type Environment = Readonly<Record<string, string | undefined>>;

/** What one source says about one key. */
export interface Written {
  readonly source: PolicySource & { readonly name: string };
  readonly given: unknown;
  readonly reading: Reading<PolicyValue>;
}

export function inArgument(key: PolicyKey, given: PolicyOverrides, argument: string): Written[] {
  if (given[key] === undefined) return [];
  const source = { from: 'argument', name: `${argument}.${key}` } as const;
  return [{ source, given: given[key], reading: readValue(POLICY_OPTIONS[key], given[key]) }];
}

/** The pool's own variable, then the one for all pools. */
export function inEnvironment(key: PolicyKey, env: Environment, prefix: string): Written[] {
  const option = POLICY_OPTIONS[key];
  const variables = prefix === '' ? [option.env] : [`${prefix}_${option.env}`, option.env];
  return variables.flatMap((name) => {
    const given = env[name];
    if (given === undefined) return [];
    return [{ source: { from: 'environment', name }, given, reading: readText(option, String(given)) }];
  });
}

export function inHost(key: PolicyKey, host: HostSettings): Written[] {
  const setting = host[key];
  if (setting === undefined) return [];
  const { name, value, written = value } = setting;
  return [{ source: { from: 'host', name }, given: written, reading: readValue(POLICY_OPTIONS[key], value) }];
}

export function settingOf({ source, reading }: Written): PolicySetting | undefined {
  return 'value' in reading ? { value: reading.value, source } : undefined;
}

export function problemOf(key: PolicyKey, { source, given, reading }: Written): PolicyProblem[] {
  if ('value' in reading) return [];
  // A host has its own words for "no limit".
  const hint = source.from === 'host' ? '' : wordsHint(POLICY_OPTIONS[key]);
  return [{ name: source.name, value: printable(given), allowed: reading.refused + hint }];
}

/** Objects may refuse to become strings. They may hold secrets, as a connection string does that was given by mistake. */
export function printable(value: unknown): unknown {
  if (typeof value === 'string' && /:\/\/|password/i.test(value)) return '(a connection string?)';
  return (typeof value === 'object' && value !== null) || typeof value === 'function' ? kindOf(value) : value;
}
