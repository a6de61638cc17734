import { describe, expect, it } from 'vitest';
import { POLICY_KEYS, POLICY_OPTIONS } from '../../../packages/core/src/policy/options.js';
import { type HostSettings, parsePolicy } from '../../../packages/core/src/policy/parsePolicy.js';
import type { PolicyKey, PolicyOverrides, PolicyValue } from '../../../packages/core/src/policy/policy.js';
import { errorOf, problemsOf } from './problemsOf.js';

/** Four values of one key, none of them its default, as each source would write it. */
interface Levels {
  readonly argument: PolicyValue;
  readonly own: readonly [text: string, value: PolicyValue];
  readonly common: readonly [text: string, value: PolicyValue];
  readonly host: PolicyValue;
}

const durations: Levels = { argument: 3_000, own: ['4s', 4_000], common: ['5', 5_000], host: 6_000 };
const counts: Levels = { argument: 3, own: ['4', 4], common: ['5', 5], host: 6 };
const offFlags: Levels = { argument: true, own: ['no', false], common: ['yes', true], host: false };

const LEVELS: Readonly<Record<PolicyKey, Levels>> = {
  maxAgeMs: durations,
  maxAgeJitter: { argument: 0.1, own: ['0.2', 0.2], common: ['0.3', 0.3], host: 0.4 },
  maxUses: counts,
  idleTimeoutMs: durations,
  maxConnections: counts,
  reuseConnections: counts,
  minConnections: counts,
  healthChecks: offFlags,
  healthBypassMs: { ...durations, common: ['5s', 5_000] },
  healthTimeoutMs: durations,
  keepaliveMs: durations,
  inFlightCheckMs: durations,
  acquireTimeoutMs: durations,
  connectTimeoutMs: durations,
  maxWaiting: counts,
  reset: { argument: 'none', own: ['session', 'session'], common: ['rollback', 'rollback'], host: 'none' },
  leakAfterMs: durations,
  statements: counts,
  statementsForWrites: { argument: false, own: ['yes', true], common: ['no', false], host: true },
  prepareThreshold: counts,
  pipeline: { argument: 'reads', own: ['reads', 'reads'], common: ['none', 'none'], host: 'reads' },
  budget: { ...counts, own: ['auto', 'auto'] },
  budgetName: { argument: 'a', own: ['b', 'b'], common: ['c', 'c'], host: 'd' },
  budgetStrict: { argument: true, own: ['no', false], common: ['yes', true], host: false },
  budgetLeash: offFlags,
  writable: offFlags,
  exitOnIdle: offFlags,
  pooler: { argument: 'none', own: ['session', 'session'], common: ['auto', 'auto'], host: 'transaction' },
  share: { argument: 'none', own: ['target', 'target'], common: ['place', 'place'], host: 'none' },
  retryReads: offFlags,
};

const overridesOf = (entries: object) => entries as PolicyOverrides;

describe.each(Object.entries(LEVELS) as [PolicyKey, Levels][])('The sources of %s', (key, levels) => {
  const { env } = POLICY_OPTIONS[key];
  const argument = overridesOf({ name: 'orders', [key]: levels.argument });
  const named: PolicyOverrides = { name: 'orders' };
  const own = { [`ORDERS_${env}`]: levels.own[0] };
  const common = { [env]: levels.common[0] };
  const host: HostSettings = { [key]: { value: levels.host, name: 'pool.option' } };

  it.each([
    ['argument', { ...own, ...common }, argument, host, levels.argument, { from: 'argument', name: `policy.${key}` }],
    [
      'variable of the pool',
      { ...own, ...common },
      named,
      host,
      levels.own[1],
      { from: 'environment', name: `ORDERS_${env}` },
    ],
    ['variable of all pools', common, named, host, levels.common[1], { from: 'environment', name: env }],
    ['host', {}, named, host, levels.host, { from: 'host', name: 'pool.option' }],
  ] as const)('the strongest is the %s, and the policy says so', (_, variables, overrides, settings, value, source) => {
    const policy = parsePolicy(variables, overrides, settings);
    expect(policy[key]).toBe(value);
    expect(policy.sources[key]).toEqual(source);
  });

  it('leave every other key to its default', () => {
    const policy = parsePolicy(common);
    const others = POLICY_KEYS.filter((other) => policy.sources[other].from !== 'default');
    expect(others).toEqual([key]);
  });

  it("ignore another pool's variable", () => {
    expect(parsePolicy(own, { name: 'users' }).sources[key]).toEqual({ from: 'default' });
    expect(parsePolicy(own).sources[key]).toEqual({ from: 'default' });
  });
});

describe('The name of a pool', () => {
  it.each([
    ['orders', 'ORDERS_MAX_CONNS'],
    ['Orders', 'ORDERS_MAX_CONNS'],
    ['order-items', 'ORDER_ITEMS_MAX_CONNS'],
    ['order -- items', 'ORDER_ITEMS_MAX_CONNS'],
    ['  orders! ', 'ORDERS_MAX_CONNS'],
    ['order_items', 'ORDER_ITEMS_MAX_CONNS'],
    ['replica 2', 'REPLICA_2_MAX_CONNS'],
    ['a.b/c', 'A_B_C_MAX_CONNS'],
    ['7', '7_MAX_CONNS'],
  ])('%j reads %s', (name, variable) => {
    const policy = parsePolicy({ [variable]: '3', MAX_CONNS: '4' }, { name });
    expect(policy.maxConnections).toBe(3);
    expect(policy.name).toBe(name);
  });

  it.each(['', '   ', '---', '_', 'заказы', 5, null, true, {}, ['orders']])('may not be %s', (name) => {
    const problems = problemsOf(() => parsePolicy({ MAX_CONNS: '0' }, overridesOf({ name })));
    expect(problems.map((problem) => problem.name)).toEqual(['policy.name', 'MAX_CONNS']);
    expect(problems[0]?.allowed).toContain('a letter from A to Z or a digit');
  });

  it('may be left out', () => {
    expect(parsePolicy({})).not.toHaveProperty('name');
    expect(parsePolicy({}, { name: undefined })).not.toHaveProperty('name');
  });
});

describe('One error', () => {
  it('lists every problem of every source', () => {
    const host: HostSettings = {
      idleTimeoutMs: { value: 3e9, name: 'pool.idleTimeoutMillis' },
      maxAgeMs: { value: 3e9, name: 'pool.maxLifetimeSeconds', written: 3e6 },
      problems: [{ name: 'pool.max', value: '10', allowed: 'a number' }],
    };
    const env = { ORDERS_CONN_MAX_AGE: '', CONN_MAX_AGE: 'forever', CONN_HEALTH_BYPASS: '500', REUSE_CONNS: '20' };
    const overrides = overridesOf({ name: 'orders', maxUses: 0, maxAgee: 5, healthChecks: 'yes' });
    expect(errorOf(() => parsePolicy(env, overrides, host)).message).toBe(
      [
        'The connection policy has 10 problems:',
        '  pool.max = "10": a number',
        '  policy.maxAgee = "(number)": no such key; is maxAgeMs meant?',
        '  ORDERS_CONN_MAX_AGE = "": empty; give it a value, or unset it; none = no limit',
        '  CONN_MAX_AGE = "forever": not a duration; write 30 or 30s for 30 seconds, 500ms, 5m or 2h; none = no limit',
        '  pool.maxLifetimeSeconds = 3000000: from 0 ms to 24.8 days, the most that a timer can hold',
        '  policy.maxUses = 0: 0 is refused: no connection could serve (1 closes after each use); none = no limit',
        '  pool.idleTimeoutMillis = 3000000000: from 1 ms to 24.8 days, the most that a timer can hold',
        '  policy.healthChecks = "yes": true or false, not a string',
        '  CONN_HEALTH_BYPASS = "500": wants a unit: 500 alone would mean 500 s; is 500ms meant?',
        '  REUSE_CONNS = 20: at most maxConnections, which is 10 by default (MAX_CONNS)',
      ].join('\n'),
    );
  });

  it('lists a bad value also where a stronger source overrules it', () => {
    const problems = problemsOf(() => parsePolicy({ MAX_CONNS: 'ten' }, { maxConnections: 5 }));
    expect(problems.map(({ name }) => name)).toEqual(['MAX_CONNS']);
  });

  it("lists the host's problems when there are no others", () => {
    const problem = { name: 'pool.max', value: '10', allowed: 'a number' };
    expect(problemsOf(() => parsePolicy({}, {}, { problems: [problem] }))).toEqual([problem]);
  });

  it('does not ask for a limit the host already refused to be compared', () => {
    const problems = problemsOf(() => parsePolicy({ MAX_CONNS: '0', MIN_CONNS: '5', REUSE_CONNS: '20' }));
    expect(problems.map(({ name }) => name)).toEqual(['MAX_CONNS']);
  });
});

describe('An unknown key', () => {
  it.each([
    ['maxAge', 'maxAgeMs'],
    ['maxagems', 'maxAgeMs'],
    ['idleTimeoutMillis', 'idleTimeoutMs'],
    ['connectionTimeoutMs', 'connectTimeoutMs'],
    ['maxConnection', 'maxConnections'],
    ['healthCheck', 'healthChecks'],
    ['CONN_MAX_AGE', 'maxAgeMs'],
    ['MAX_CONNS', 'maxConnections'],
  ])('%s is refused, and %s suggested', (key, nearest) => {
    const problems = problemsOf(() => parsePolicy({}, overridesOf({ [key]: 5 })));
    expect(problems).toEqual([
      { name: `policy.${key}`, value: '(number)', allowed: `no such key; is ${nearest} meant?` },
    ]);
  });

  it.each(['max', 'min', 'connectionString', 'sources', 'toString', '', 'x'.repeat(1_000)])(
    'that resembles none is refused, and all are listed (%.20s)',
    (key) => {
      const [problem] = problemsOf(() => parsePolicy({}, overridesOf({ [key]: undefined })));
      expect(problem?.allowed).toBe(`no such key; the keys are ${POLICY_KEYS.join(', ')}`);
    },
  );
});

describe('The argument itself', () => {
  it('comes back as it is when it is a policy that has been checked', () => {
    const policy = parsePolicy({ MAX_CONNS: '3' }, { name: 'orders' });
    expect(parsePolicy({ MAX_CONNS: '4' }, policy, { maxUses: { value: 5, name: 'pool.maxUses' } })).toBe(policy);
  });

  it.each([null, 'postgres://app:hunter2@db/app', 5, true, () => {}])('is refused as %s', (overrides) => {
    const problems = problemsOf(() => parsePolicy({}, overrides as PolicyOverrides));
    expect(problems).toEqual([
      { name: 'policy', value: expect.stringMatching(/^\(\w+\)$/), allowed: 'an object of policy keys' },
    ]);
  });
});

describe('A secret', () => {
  const secret = 'hunter2';

  it.each([
    ['a connection string in place of the policy', {}, secret],
    ['a key that is none of ours', {}, { password: secret, connectionString: secret, maxAge: secret }],
    ['an object in place of a number', {}, { maxUses: { toString: (): string => secret }, maxAgeMs: [secret] }],
    ['a function in place of a number', {}, { maxUses: () => 'hunter2' }],
    ['an object in place of the name', {}, { name: [secret] }],
    ['variables that are none of ours', { PGPASSWORD: secret, CONN_PASSWORD: secret, MAX_CONNS: '0' }, {}],
  ])('is not printed: %s', (_, env, overrides) => {
    const error = errorOf(() => parsePolicy(env, overrides as PolicyOverrides));
    expect(error.message).not.toContain(secret);
    expect(JSON.stringify(error.problems)).not.toContain(secret);
  });
});

describe('Limits that do not fit together', () => {
  const host: HostSettings = { maxConnections: { value: 4, name: 'pool.max' } };

  it.each([
    [{ MIN_CONNS: '5', MAX_CONNS: '4' }, {}, {}, ['MIN_CONNS = 5: at most MAX_CONNS, which is 4']],
    [{ REUSE_CONNS: '5', MAX_CONNS: '4' }, {}, {}, ['REUSE_CONNS = 5: at most MAX_CONNS, which is 4']],
    [{ MIN_CONNS: '5', REUSE_CONNS: '4' }, {}, {}, ['MIN_CONNS = 5: at most REUSE_CONNS, which is 4']],
    [{ MIN_CONNS: '1', REUSE_CONNS: '0' }, {}, {}, ['MIN_CONNS = 1: at most REUSE_CONNS, which is 0']],
    [{ MIN_CONNS: '11' }, {}, {}, ['MIN_CONNS = 11: at most maxConnections, which is 10 by default (MAX_CONNS)']],
    [{ REUSE_CONNS: '11' }, {}, {}, ['REUSE_CONNS = 11: at most maxConnections, which is 10 by default (MAX_CONNS)']],
    [{ REUSE_CONNS: '5' }, {}, host, ['REUSE_CONNS = 5: at most pool.max, which is 4']],
    [
      { A_MAX_CONNS: '2' },
      { name: 'a', minConnections: 3 },
      host,
      ['policy.minConnections = 3: at most A_MAX_CONNS, which is 2'],
    ],
    [
      { MIN_CONNS: '9', REUSE_CONNS: '8', MAX_CONNS: '7' },
      {},
      {},
      [
        'REUSE_CONNS = 8: at most MAX_CONNS, which is 7',
        'MIN_CONNS = 9: at most MAX_CONNS, which is 7',
        'MIN_CONNS = 9: at most REUSE_CONNS, which is 8',
      ],
    ],
  ] as const)('%j %j: both are named with their sources', (env, overrides, settings, lines) => {
    const problems = problemsOf(() => parsePolicy(env, overrides, settings));
    expect(problems.map(({ name, value, allowed }) => `${name} = ${value}: ${allowed}`)).toEqual(lines);
  });

  it.each([
    [{ MIN_CONNS: '10', REUSE_CONNS: '10' }, 10],
    [{ MIN_CONNS: '4', REUSE_CONNS: '4', MAX_CONNS: '4' }, 4],
    [{ REUSE_CONNS: '0' }, 0],
    [{ MAX_CONNS: '262143', MIN_CONNS: '262143', REUSE_CONNS: '262143' }, 262_143],
  ])('%j fit', (env, reuse) => {
    expect(parsePolicy(env).reuseConnections).toBe(reuse);
  });

  it('do not include a default: without a value of its own, reuseConnections is maxConnections', () => {
    expect(parsePolicy({ MAX_CONNS: '1' })).toMatchObject({ reuseConnections: 1, minConnections: 0 });
    const wide = parsePolicy({ MAX_CONNS: '50', MIN_CONNS: '50' });
    expect(wide.reuseConnections).toBe(50);
    expect(wide.sources.reuseConnections).toEqual({ from: 'default' });
    expect(parsePolicy({}, {}, host).reuseConnections).toBe(4);
  });
});

describe('A host that has written nothing', () => {
  it('changes nothing', () => {
    expect(parsePolicy({}, {}, {})).toEqual(parsePolicy({}));
  });

  it('is not asked to give words: no limit arrives as Infinity', () => {
    const host: HostSettings = {
      idleTimeoutMs: { value: Number.POSITIVE_INFINITY, name: 'pool.idleTimeoutMillis', written: 0 },
    };
    expect(parsePolicy({}, {}, host).idleTimeoutMs).toBe(Number.POSITIVE_INFINITY);
  });
});
