import { type PolicyProblem, TenurePolicyError } from '../errors.js';
import { kindOf, unknownKeys } from './describePolicy.js';
import { formatDuration, LONGEST, LONGEST_MS, parseDuration, type Reading } from './durations.js';
import { type NumberOption, POLICY_KEYS, POLICY_OPTIONS, type PolicyOption } from './options.js';
import {
  isPolicy,
  type Policy,
  type PolicyKey,
  type PolicyOverrides,
  type PolicySetting,
  type PolicySource,
  type PolicyValue,
  policyOf,
} from './policy.js';

/**
 * Makes a policy: argument before environment before host before default. A value that a stronger source overrules is checked
 * too, so that the list of problems is complete. A checked policy is returned as it is.
 *
 * @throws TenurePolicyError that lists every problem
 */
export function parsePolicy(env: Environment, overrides: PolicyOverrides = {}, host: HostSettings = {}): Policy {
  if (typeof overrides !== 'object' || overrides === null) throw notAnObject(overrides);
  if (isPolicy(overrides)) return overrides;
  const { name, ...given } = overrides;
  const prefix = prefixOf(name);
  const problems = [...(host.problems ?? []), ...nameProblems(name), ...unknownKeys('policy', given, POLICY_KEYS)];
  const settings = new Map<PolicyKey, PolicySetting>();
  for (const key of POLICY_KEYS) {
    const written = [...inArgument(key, given, 'policy'), ...inEnvironment(key, env, prefix), ...inHost(key, host)];
    problems.push(...written.flatMap((one) => problemOf(key, one)));
    const setting = written[0] === undefined ? defaultOf(key, settings) : settingOf(written[0]);
    if (setting !== undefined) settings.set(key, setting);
  }
  problems.push(...conflicts(settings));
  if (problems.length > 0) throw new TenurePolicyError(withoutRepeats(problems));
  return policyOf(settings, name);
}

/** The default of a key; none if it is the value of another key that has a problem. */
export function defaultOf(key: PolicyKey, settings: ReadonlyMap<PolicyKey, PolicySetting>): PolicySetting | undefined {
  const source = { from: 'default' } as const;
  const { default: value } = POLICY_OPTIONS[key];
  if (typeof value !== 'object') return { value: value as PolicyValue, source };
  const followed = settings.get(value.sameAs);
  return followed && { value: followed.value, source };
}

/** `order-items` → `ORDER_ITEMS`. Empty when nothing is left. */
function prefixOf(name: unknown): string {
  if (typeof name !== 'string') return '';
  const words = name.toUpperCase().match(/[A-Z0-9]+/g) ?? [];
  return words.join('_');
}

function nameProblems(name: unknown): PolicyProblem[] {
  if (name === undefined || prefixOf(name) !== '') return [];
  const allowed = 'a string with a letter from A to Z or a digit (orders: ORDERS_MAX_CONNS is read before MAX_CONNS)';
  return [{ name: 'policy.name', value: printable(name), allowed }];
}

/** Each problem once: an option of a host may set two keys, and would be listed twice. */
function withoutRepeats(problems: readonly PolicyProblem[]): PolicyProblem[] {
  const isSame = (one: PolicyProblem) => (other: PolicyProblem) =>
    other.name === one.name && other.allowed === one.allowed;
  return problems.filter((problem, index) => problems.findIndex(isSame(problem)) === index);
}

function notAnObject(overrides: unknown): TenurePolicyError {
  return new TenurePolicyError([{ name: 'policy', value: kindOf(overrides), allowed: 'an object of policy keys' }]);
}

/** A setting of the host (Knex, pg-pool), in Tenure's units. */
export interface HostSetting {
  readonly value: PolicyValue;
  /** The name as the app wrote it: `pool.max`. */
  readonly name: string;
  /** The value as the app wrote it, if that is another; errors show it. */
  readonly written?: unknown;
}

/** The pool settings that the app wrote for its host, and their problems. The host's own defaults are left out. */
export type HostSettings = { readonly [K in PolicyKey]?: HostSetting } & {
  readonly problems?: readonly PolicyProblem[];
};

export type Environment = Readonly<Record<string, string | undefined>>;

/** The value of one key in one source. */
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

/** The pool's own variable, and the one for all pools. */
function inEnvironment(key: PolicyKey, env: Environment, prefix: string): Written[] {
  const option = POLICY_OPTIONS[key];
  const variables = prefix === '' ? [option.env] : [`${prefix}_${option.env}`, option.env];
  return variables.flatMap((name) => {
    const given = env[name];
    if (given === undefined) return [];
    return [{ source: { from: 'environment', name }, given, reading: readText(option, String(given)) }];
  });
}

function inHost(key: PolicyKey, host: HostSettings): Written[] {
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
  // A host has other words for "no limit".
  const hint = source.from === 'host' ? '' : wordsHint(POLICY_OPTIONS[key]);
  return [{ name: source.name, value: printable(given), allowed: reading.refused + hint }];
}

/** A value in a form that an error may show. An object may contain a secret, and so may a connection string that was passed by mistake. */
export function printable(value: unknown): unknown {
  if (typeof value === 'string' && /:\/\/|password/i.test(value)) return '(a connection string?)';
  return (typeof value === 'object' && value !== null) || typeof value === 'function' ? kindOf(value) : value;
}

type SettingReading = Reading<PolicyValue>;

/** PostgreSQL's spellings. */
const FLAGS: Readonly<Record<string, boolean | undefined>> = {
  true: true,
  on: true,
  yes: true,
  1: true,
  false: false,
  off: false,
  no: false,
  0: false,
};

/** Reads a variable. */
function readText(option: PolicyOption, text: string): SettingReading {
  const trimmed = text.trim();
  if (trimmed === '') return { refused: 'empty; give it a value, or unset it' };
  const named = wordsOf(option).get(trimmed.toLowerCase()) ?? flagOf(option, trimmed);
  if (named !== undefined) return { value: named };
  if (option.kind === 'flag') return { refused: 'true or false (also on/off, yes/no, 1/0)' };
  if (option.kind === 'choice') return { refused: oneOf(option.choices) };
  if (option.kind === 'name') return readName(trimmed);
  const reading = option.kind === 'duration' ? readDuration(option, trimmed) : readNumber(option, trimmed);
  return 'refused' in reading ? reading : inRange(option, reading.value);
}

/** Reads a value from code: an argument, or a host's setting in Tenure's units. */
function readValue(option: PolicyOption, value: unknown): SettingReading {
  if (option.kind === 'flag') return typeof value === 'boolean' ? { value } : { refused: `true or false${not(value)}` };
  const named = typeof value === 'string' ? wordsOf(option).get(value) : undefined;
  if (named !== undefined) return { value: named };
  if (option.kind === 'choice') return { refused: oneOf(option.choices) };
  if (option.kind === 'name') return readName(value);
  if (value === Number.POSITIVE_INFINITY && option.none !== undefined) return { value };
  if (typeof value !== 'number' || Number.isNaN(value))
    return { refused: wanted(option) + meant(option, value) + not(value) };
  if (option.kind !== 'share' && Number.isFinite(value) && !Number.isInteger(value)) return { refused: wanted(option) };
  return inRange(option, value === 0 ? 0 : value); // never -0
}

/** A name is no connection string, which `stats()` would show. */
const NAME = /^[\w .:-]{1,63}$/;

function readName(value: unknown): SettingReading {
  if (typeof value === 'string' && NAME.test(value)) return { value };
  return { refused: 'a name of 1 to 63 letters, digits, spaces, and _ . : -' };
}

/** The words that an option accepts beside numbers, as the end of a sentence: `; none = no limit`. */
function wordsHint(option: PolicyOption): string {
  if (!isNumeric(option)) return '';
  const { none, auto } = option;
  return `${none === undefined ? '' : `; none = ${none}`}${auto === undefined ? '' : `; auto = ${auto}`}`;
}

function wordsOf(option: PolicyOption): ReadonlyMap<string, PolicyValue> {
  if (option.kind === 'choice') return new Map(option.choices.map((choice) => [choice, choice as PolicyValue]));
  const words = new Map<string, PolicyValue>();
  if (isNumeric(option) && option.none !== undefined) words.set('none', Number.POSITIVE_INFINITY);
  if (isNumeric(option) && option.auto !== undefined) words.set('auto', 'auto');
  return words;
}

function flagOf(option: PolicyOption, text: string): boolean | undefined {
  return option.kind === 'flag' && Object.hasOwn(FLAGS, text.toLowerCase()) ? FLAGS[text.toLowerCase()] : undefined;
}

function readDuration(option: NumberOption, text: string): Reading<number> {
  const reading = parseDuration(text);
  const wantsUnit = typeof option.default === 'number' && option.default < 1_000;
  if (!wantsUnit || !/^[\d.]+$/.test(text) || ('value' in reading && reading.value === 0)) return reading;
  const likely = text.includes('.') ? `${text}s` : `${text}ms`;
  return { refused: `wants a unit: ${text} alone would mean ${text} s; is ${likely} meant?` };
}

function readNumber(option: NumberOption, text: string): Reading<number> {
  const syntax = option.kind === 'count' ? /^\d+$/ : /^\d+(\.\d+)?$/;
  return syntax.test(text) ? { value: Number(text) } : { refused: wanted(option) };
}

function inRange(option: NumberOption, value: number): SettingReading {
  const { smallest, largest, zero } = option;
  if (value >= smallest && value <= largest) return { value };
  if (value === 0) return { refused: `0 is refused: ${zero}` };
  return { refused: `from ${shown(option, smallest)} to ${shown(option, largest)}` };
}

function shown({ kind }: NumberOption, value: number): string {
  if (kind !== 'duration') return String(value);
  return value === LONGEST_MS ? LONGEST : formatDuration(value);
}

function wanted({ kind, smallest, largest }: NumberOption): string {
  if (kind === 'duration') return 'milliseconds as a whole number';
  return kind === 'count' ? 'a whole number' : `a number from ${smallest} to ${largest}`;
}

/** The hint for `30s` in code: the number of milliseconds. */
function meant({ kind }: NumberOption, value: unknown): string {
  const reading = kind === 'duration' && typeof value === 'string' ? parseDuration(value) : undefined;
  return reading !== undefined && 'value' in reading ? ` (${reading.value})` : '';
}

function not(value: unknown): string {
  if (value === null || Number.isNaN(value)) return `, not ${value}`;
  return typeof value === 'object' ? ', not an object' : `, not a ${typeof value}`;
}

function oneOf(choices: readonly string[]): string {
  return `${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}`;
}

function isNumeric(option: PolicyOption): option is NumberOption {
  return 'smallest' in option;
}

/** The first of each pair may not exceed the second. */
const ORDER: readonly (readonly [PolicyKey, PolicyKey])[] = [
  ['reuseConnections', 'maxConnections'],
  ['minConnections', 'maxConnections'],
  ['minConnections', 'reuseConnections'],
];

/** Problems of values that are allowed alone, but not together. A value that follows another one by default never conflicts. */
export function conflicts(settings: ReadonlyMap<PolicyKey, PolicySetting>): PolicyProblem[] {
  return ORDER.flatMap(([smaller, larger]) => {
    const low = settings.get(smaller);
    const high = settings.get(larger);
    if (low === undefined || high === undefined || low.value <= high.value || follows(larger, high)) return [];
    const name = low.source.name ?? smaller;
    return [{ name, value: low.value, allowed: `at most ${bound(larger, high)}` }];
  });
}

function follows(key: PolicyKey, { source }: PolicySetting): boolean {
  return source.from === 'default' && typeof POLICY_OPTIONS[key].default === 'object';
}

function bound(key: PolicyKey, { value, source }: PolicySetting): string {
  if (source.name !== undefined) return `${source.name}, which is ${value}`;
  return `${key}, which is ${value} by default (${POLICY_OPTIONS[key].env})`;
}
