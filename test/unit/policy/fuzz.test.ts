import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TenurePolicyError } from '../../../packages/core/src/errors.js';
import { describePolicy } from '../../../packages/core/src/policy/describePolicy.js';
import { LONGEST_MS } from '../../../packages/core/src/policy/durations.js';
import { POLICY_KEYS, POLICY_OPTIONS, type PolicyOption } from '../../../packages/core/src/policy/options.js';
import { type Environment, type HostSettings, parsePolicy } from '../../../packages/core/src/policy/parsePolicy.js';
import {
  isPolicy,
  type Policy,
  type PolicyKey,
  type PolicyOverrides,
} from '../../../packages/core/src/policy/policy.js';
import { fromPgPool } from '../../../packages/core/src/postgres/pool/pgPoolOptions.js';

const RUNS = { numRuns: 2_000 };

const anyText = fc.string({ unit: 'binary', maxLength: 20 });
const anyValue = fc.anything({
  withBigInt: true,
  withDate: true,
  withMap: true,
  withNullPrototype: true,
  withSparseArray: true,
});

/** Mostly the likely one, so that many policies pass. */
const mostly = <T>(likely: fc.Arbitrary<T>, any: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 19, arbitrary: likely }, { weight: 1, arbitrary: any });
const entries = (entry: fc.Arbitrary<[string, unknown]>) =>
  fc.array(entry, { maxLength: 5 }).map((list) => Object.fromEntries(list) as Record<string, unknown>);

function likelyText(option: PolicyOption): fc.Arbitrary<string> {
  if (option.kind === 'flag') return fc.constantFrom('true', 'Off', 'yes', '0');
  if (option.kind === 'choice') return fc.constantFrom(...option.choices);
  if (option.kind === 'share') return fc.constantFrom('0', '0.1', '0.90');
  if (option.kind === 'count') return fc.oneof(fc.nat(20).map(String), fc.constantFrom('none', 'auto'));
  const durations = fc.tuple(fc.nat(100), fc.constantFrom('ms', 's', 'm', 'h', '', '.5s'));
  return fc.oneof(durations.map(([count, unit]) => `${count}${unit}`));
}

function likelyValue(option: PolicyOption): fc.Arbitrary<unknown> {
  if (option.kind === 'flag') return fc.boolean();
  if (option.kind === 'choice') return fc.constantFrom(...option.choices, undefined);
  if (option.kind === 'share') return fc.constantFrom(0, -0, 0.3, 0.9);
  if (option.kind === 'count') return fc.oneof(fc.nat(20), fc.constantFrom('none', 'auto', Infinity));
  return fc.oneof(fc.nat(LONGEST_MS), fc.constantFrom<unknown>(1, 500, 30_000, Infinity, 'none', undefined));
}

const keys = fc.constantFrom(...POLICY_KEYS);
const variable = fc
  .tuple(keys, fc.constantFrom('', 'ORDERS_'))
  .chain(([key, prefix]): fc.Arbitrary<[string, string]> => {
    const option = POLICY_OPTIONS[key];
    return fc.tuple(fc.constant(prefix + option.env), mostly(likelyText(option), anyText));
  });
const environments = entries(variable).map((env) => env as Environment);

const argument = keys.chain((key): fc.Arbitrary<[string, unknown]> => {
  const name = mostly<string>(fc.constant(key), fc.string());
  return fc.tuple(name, mostly(likelyValue(POLICY_OPTIONS[key]), anyValue));
});
const poolNames = mostly(fc.constantFrom<unknown>('orders', 'Orders ', undefined), fc.oneof(fc.string(), anyValue));
const overrides = fc
  .tuple(poolNames, entries(argument))
  .map(([name, given]) => ({ name, ...given }) as PolicyOverrides);

const PG_OPTIONS = [
  'max',
  'poolSize',
  'min',
  'idleTimeoutMillis',
  'connectionTimeoutMillis',
  'maxUses',
  'maxLifetimeSeconds',
];
const pgOption = fc.tuple(
  fc.constantFrom(...PG_OPTIONS),
  mostly<unknown>(fc.oneof(fc.nat(20), fc.constant(Infinity)), anyValue),
);
const hosts = entries(pgOption).map((options) => fromPgPool(options));
const inputs = fc.tuple(environments, overrides, hosts);

/** The policy, or nothing where the input is refused in the way it should be. */
function parsed(env: Environment, given: PolicyOverrides, host: HostSettings): Policy | undefined {
  try {
    return parsePolicy(env, given, host);
  } catch (error) {
    expect(error).toBeInstanceOf(TenurePolicyError);
    const { problems, message } = error as TenurePolicyError;
    expect(problems.length).toBeGreaterThan(0);
    for (const { name } of problems) expect(message).toContain(name);
    return undefined;
  }
}

/** Checks every policy that passes, and that enough do. */
function everyPolicy(
  check: (policy: Policy, env: Environment, given: PolicyOverrides, host: HostSettings) => void,
): void {
  let passed = 0;
  fc.assert(
    fc.property(inputs, ([env, given, host]) => {
      const policy = parsed(env, given, host);
      if (policy === undefined) return;
      passed++;
      check(policy, env, given, host);
    }),
    RUNS,
  );
  expect(passed).toBeGreaterThan(RUNS.numRuns / 10);
}

function expectInBounds(policy: Policy, key: PolicyKey): void {
  const option = POLICY_OPTIONS[key];
  const value = policy[key];
  if (option.kind === 'flag') expect(value).toBeTypeOf('boolean');
  else if (option.kind === 'choice') expect(option.choices).toContain(value);
  else if (option.kind === 'name') expect(value).toMatch(/^[\w .:-]{0,63}$/);
  else if (value === 'auto') expect(option.auto).toBeDefined();
  else if (value === Number.POSITIVE_INFINITY) expect(option.none).toBeDefined();
  else {
    expect(value).toBeGreaterThanOrEqual(option.smallest);
    expect(value).toBeLessThanOrEqual(option.largest);
    expect(Object.is(value, -0)).toBe(false);
    if (option.kind !== 'share') expect(Number.isInteger(value)).toBe(true);
  }
}

describe('Whatever is written', () => {
  it('gives a policy or a TenurePolicyError that names every problem, and nothing else', () => {
    const wild = fc.tuple(environments, anyValue, hosts);
    fc.assert(
      fc.property(wild, ([env, given, host]) => {
        const policy = parsed(env, given as PolicyOverrides, host);
        expect(policy === undefined || isPolicy(policy)).toBe(true);
      }),
      RUNS,
    );
  });

  it('is frozen and within its bounds, or refused', () => {
    everyPolicy((policy) => {
      expect([policy, policy.sources, ...Object.values(policy.sources)].every(Object.isFrozen)).toBe(true);
      for (const key of POLICY_KEYS) expectInBounds(policy, key);
      expect(policy.minConnections).toBeLessThanOrEqual(policy.reuseConnections);
      expect(policy.reuseConnections).toBeLessThanOrEqual(policy.maxConnections);
    });
  });

  it('is described truthfully: each value alone, from the source it names, gives the same', () => {
    everyPolicy((policy, env, given, host) => {
      const described = describePolicy(policy);
      for (const key of POLICY_KEYS) {
        const { value, source } = described[key];
        expect(
          value === 'none' && !['choice', 'name'].includes(POLICY_OPTIONS[key].kind) ? Number.POSITIVE_INFINITY : value,
        ).toBe(policy[key]);
        expect(policy[key]).toBe(fromSourceAlone(key, source.from, source.name, policy, [env, given, host]));
      }
    });
  });
});

/** The value of a key by the named source, when no other source sets it. */
function fromSourceAlone(
  key: PolicyKey,
  from: Policy['sources'][PolicyKey]['from'],
  name: string | undefined,
  { maxConnections }: Policy,
  [env, given, host]: [Environment, PolicyOverrides, HostSettings],
): unknown {
  const roomy = {
    minConnections: 0,
    maxConnections: key === 'reuseConnections' && from === 'default' ? maxConnections : 1_000,
  };
  const room = (key === 'maxConnections' ? {} : roomy) as PolicyOverrides;
  const { [key]: _, ...others } = room as Record<string, unknown>;
  if (from === 'argument') return parsePolicy({}, { ...others, [key]: given[key] })[key];
  if (from === 'host') return parsePolicy({}, others, { [key]: host[key] })[key];
  if (from === 'default') return parsePolicy({}, others)[key];
  const text = name === undefined ? undefined : env[name];
  expect(text).toBeDefined();
  return parsePolicy({ [name!.replace(/^ORDERS_/, '')]: text }, others)[key];
}
