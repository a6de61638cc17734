import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { formatDuration } from '../../../packages/core/src/policy/durations.js';
import { POLICY_KEYS, POLICY_OPTIONS, type PolicyOption } from '../../../packages/core/src/policy/options.js';
import { parsePolicy } from '../../../packages/core/src/policy/parsePolicy.js';
import type { PolicyKey, PolicyOverrides, PolicyValue } from '../../../packages/core/src/policy/policy.js';
import { problemsOf } from './problemsOf.js';

const NONE = Number.POSITIVE_INFINITY;
const TIMER = 2_147_483_647;
const SERVER = 262_143;

/** The contract of one key, written down a second time on purpose. */
interface Row {
  readonly env: string;
  readonly default: PolicyValue;
  /** Variables that are understood, and as what. */
  readonly texts: Readonly<Record<string, PolicyValue>>;
  readonly badTexts: readonly string[];
  /** Arguments that are understood. */
  readonly values: readonly PolicyValue[];
  readonly badValues: readonly unknown[];
}

const BAD_TEXTS = ['', '  ', '-1', '+1', '1e3', '0x10', '1 0', 'many', 'Infinity', 'NaN', 'null', '{}', '1;2'];
const NOT_NUMBERS = [
  Number.NaN,
  -1,
  -Infinity,
  null,
  '',
  '10',
  '30s',
  'NONE',
  'Infinity',
  true,
  false,
  10n,
  [],
  [5],
  {},
  Symbol('5'),
];
const NOT_FLAGS = [0, 1, Number.NaN, null, '', 'true', 'on', 'none', [], {}, [true]];
const FLAG_TEXTS = {
  ...{ true: true, on: true, yes: true, '1': true, TRUE: true, On: true, ' yes ': true },
  ...{ false: false, off: false, no: false, '0': false, FALSE: false, oFF: false, '\tno\n': false },
};
const NOT_FLAG_TEXTS = ['', ' ', 'none', 'y', 't', '2', '01', 'enabled', 'true false'];

/** Durations of which 1 ms is the least. */
const positiveDuration = {
  texts: { '1ms': 1, '5': 5_000, ' 30s ': 30_000, '2147483647ms': TIMER },
  values: [1, 2, TIMER],
};
const badDuration = {
  texts: [...BAD_TEXTS, '30 s', '30S', '0.0001s', '2147483648ms', '25d', 'auto'],
  values: [...NOT_NUMBERS, 0.5, TIMER + 1, 'auto'],
};
const withNone = { texts: { none: NONE, ' None ': NONE }, values: [NONE] };
const badCount = { texts: [...BAD_TEXTS, '1.5', '1.0', '5s'], values: [...NOT_NUMBERS, 1.5] };
const serverCount = { texts: { '1': 1, ' 7 ': 7 }, values: [1, 7] };
const tooManyForServer = { texts: ['262144', '9'.repeat(400)], values: [SERVER + 1] };
const UNCOUNTABLE = ['9007199254740992', '9'.repeat(400)];

const unlimited = {
  texts: { ...positiveDuration.texts, ...withNone.texts },
  values: [...positiveDuration.values, NONE],
};
const noZero = { texts: [...badDuration.texts, '0', '0ms', '0.0'], values: [...badDuration.values, 0, -0] };
const flag = { texts: FLAG_TEXTS, badTexts: NOT_FLAG_TEXTS, values: [true, false], badValues: NOT_FLAGS };

const ROWS: Readonly<Record<PolicyKey, Row>> = {
  maxAgeMs: {
    env: 'CONN_MAX_AGE',
    default: 1_800_000,
    texts: { ...unlimited.texts, '0': 0, '0ms': 0 },
    badTexts: badDuration.texts,
    values: [...unlimited.values, 0],
    badValues: badDuration.values,
  },
  maxAgeJitter: {
    env: 'CONN_MAX_AGE_JITTER',
    default: 0.25,
    texts: { '0': 0, '0.0': 0, '0.5': 0.5, ' 0.9 ': 0.9 },
    badTexts: [...BAD_TEXTS, '0.91', '1', '.5', '25%', '0,5', 'none', 'auto'],
    values: [0, 0.001, 0.9],
    badValues: [...NOT_NUMBERS, 0.90001, 1, 25, NONE, 'none', -0.1],
  },
  maxUses: {
    env: 'CONN_MAX_USES',
    default: NONE,
    texts: { ...withNone.texts, '1': 1, '500': 500, '9007199254740991': Number.MAX_SAFE_INTEGER },
    badTexts: [...badCount.texts, ...UNCOUNTABLE, '0', 'auto'],
    values: [1, 500, Number.MAX_SAFE_INTEGER, NONE],
    badValues: [...badCount.values, 0, 2 ** 53, 'auto'],
  },
  idleTimeoutMs: {
    env: 'CONN_IDLE_TIMEOUT',
    default: 600_000,
    ...unlimited,
    badTexts: noZero.texts,
    badValues: noZero.values,
  },
  maxConnections: {
    env: 'MAX_CONNS',
    default: 10,
    texts: { ...serverCount.texts, '262143': SERVER },
    badTexts: [...badCount.texts, ...tooManyForServer.texts, '0', 'none', 'auto'],
    values: [...serverCount.values, SERVER],
    badValues: [...badCount.values, ...tooManyForServer.values, 0, NONE, 'none', 'auto'],
  },
  reuseConnections: {
    env: 'REUSE_CONNS',
    default: 10,
    texts: { ...serverCount.texts, '0': 0, '10': 10 },
    badTexts: [...badCount.texts, ...tooManyForServer.texts, 'none', 'auto'],
    values: [...serverCount.values, 0, 10],
    badValues: [...badCount.values, ...tooManyForServer.values, NONE, 'none'],
  },
  minConnections: {
    env: 'MIN_CONNS',
    default: 0,
    texts: { ...serverCount.texts, '0': 0, '10': 10 },
    badTexts: [...badCount.texts, ...tooManyForServer.texts, 'none', 'auto'],
    values: [...serverCount.values, 0, 10],
    badValues: [...badCount.values, ...tooManyForServer.values, NONE, 'none'],
  },
  healthChecks: { env: 'CONN_HEALTH_CHECKS', default: true, ...flag },
  healthBypassMs: {
    env: 'CONN_HEALTH_BYPASS',
    default: 500,
    texts: { '0': 0, '0.0': 0, '0ms': 0, '1ms': 1, '500ms': 500, '2s': 2_000, '2147483647ms': TIMER },
    badTexts: [...badDuration.texts, '500', '1', '0.5', '007', 'none'],
    values: [0, ...positiveDuration.values],
    badValues: [...badDuration.values, NONE, 'none'],
  },
  healthTimeoutMs: {
    env: 'CONN_HEALTH_TIMEOUT',
    default: 1_000,
    texts: { '1ms': 1, '2': 2_000, '1m': 60_000 },
    badTexts: [...noZero.texts, '60001ms', '500', 'none'],
    values: [1, 60_000],
    badValues: [...noZero.values, 60_001, NONE, 'none'],
  },
  keepaliveMs: {
    env: 'CONN_KEEPALIVE',
    default: 120_000,
    ...unlimited,
    badTexts: noZero.texts,
    badValues: noZero.values,
  },
  inFlightCheckMs: {
    env: 'CONN_IN_FLIGHT_CHECK',
    default: 30_000,
    ...unlimited,
    badTexts: noZero.texts,
    badValues: noZero.values,
  },
  acquireTimeoutMs: {
    env: 'CONN_ACQUIRE_TIMEOUT',
    default: 30_000,
    ...unlimited,
    badTexts: noZero.texts,
    badValues: noZero.values,
  },
  connectTimeoutMs: {
    env: 'CONN_CONNECT_TIMEOUT',
    default: 10_000,
    ...unlimited,
    badTexts: noZero.texts,
    badValues: noZero.values,
  },
  maxWaiting: {
    env: 'CONN_MAX_WAITING',
    default: NONE,
    texts: { ...withNone.texts, '0': 0, '1': 1, '9007199254740991': Number.MAX_SAFE_INTEGER },
    badTexts: [...badCount.texts, ...UNCOUNTABLE, 'auto'],
    values: [0, 1, Number.MAX_SAFE_INTEGER, NONE],
    badValues: [...badCount.values, 2 ** 53],
  },
  reset: {
    env: 'CONN_RESET',
    default: 'rollback',
    texts: { rollback: 'rollback', session: 'session', none: 'none', ' Session ': 'session', NONE: 'none' },
    badTexts: ['', ' ', '0', '1', 'true', 'off', 'discard', 'rollback,session'],
    values: ['rollback', 'session', 'none'],
    badValues: [0, 1, true, false, null, '', 'Session', ' none', 'discard', NONE, Number.NaN, [], ['none'], {}],
  },
  leakAfterMs: {
    env: 'CONN_LEAK_THRESHOLD',
    default: NONE,
    ...unlimited,
    badTexts: noZero.texts,
    badValues: noZero.values,
  },
  statements: {
    env: 'CONN_STATEMENTS',
    default: 100,
    texts: { '0': 0, '1': 1, '9007199254740991': Number.MAX_SAFE_INTEGER },
    badTexts: [...badCount.texts, ...UNCOUNTABLE, 'none', 'auto'],
    values: [0, 1, Number.MAX_SAFE_INTEGER],
    badValues: [...badCount.values, 2 ** 53, NONE, 'none', 'auto'],
  },
  statementsForWrites: { env: 'CONN_STATEMENTS_WRITES', default: false, ...flag },
  prepareThreshold: {
    env: 'CONN_PREPARE_THRESHOLD',
    default: 5,
    texts: { '1': 1, '9007199254740991': Number.MAX_SAFE_INTEGER },
    badTexts: [...badCount.texts, ...UNCOUNTABLE, '0', 'none', 'auto'],
    values: [1, Number.MAX_SAFE_INTEGER],
    badValues: [...badCount.values, 0, 2 ** 53, NONE, 'none', 'auto'],
  },
  pipeline: {
    env: 'CONN_PIPELINE',
    default: 'none',
    texts: { none: 'none', reads: 'reads', ' Reads ': 'reads', NONE: 'none' },
    badTexts: ['', ' ', '0', '1', 'true', 'false', 'off', 'writes', 'all'],
    values: ['none', 'reads'],
    badValues: [0, 1, true, false, null, '', 'Reads', ' none', NONE, Number.NaN, [], ['none'], {}],
  },
  budget: {
    env: 'CONN_BUDGET',
    default: NONE,
    texts: { ...withNone.texts, ...serverCount.texts, '0': 0, '262143': SERVER, auto: 'auto', ' Auto ': 'auto' },
    badTexts: [...badCount.texts, ...tooManyForServer.texts],
    values: [...serverCount.values, 0, SERVER, NONE, 'auto'],
    badValues: [...badCount.values, ...tooManyForServer.values, 'Auto'],
  },
  budgetName: {
    env: 'CONN_BUDGET_NAME',
    default: '',
    texts: { orders: 'orders', ' orders v2 ': 'orders v2', '0': '0', none: 'none', 'a:b.c-d_e': 'a:b.c-d_e' },
    badTexts: ['', ' ', 'a/b', 'x'.repeat(64), 'é'],
    values: ['orders', 'none', 'a b'],
    badValues: ['', 'a/b', 'x'.repeat(64), 0, 1, true, null, Number.NaN, [], ['orders'], {}],
  },
  budgetStrict: { env: 'CONN_BUDGET_STRICT', default: false, ...flag },
  budgetLeash: { env: 'CONN_BUDGET_LEASH', default: true, ...flag },
  writable: { env: 'CONN_WRITABLE', default: false, ...flag },
  exitOnIdle: { env: 'CONN_EXIT_ON_IDLE', default: true, ...flag },
  pooler: {
    env: 'CONN_POOLER',
    default: 'auto',
    texts: { auto: 'auto', transaction: 'transaction', session: 'session', none: 'none', ' Session ': 'session' },
    badTexts: ['', ' ', '0', '1', 'true', 'false', 'off', 'statement', 'pgbouncer'],
    values: ['auto', 'transaction', 'session', 'none'],
    badValues: [0, 1, true, false, null, '', 'Auto', ' none', NONE, Number.NaN, [], ['none'], {}],
  },
  share: {
    env: 'CONN_SHARE',
    default: 'place',
    texts: { place: 'place', target: 'target', none: 'none', ' Target ': 'target', NONE: 'none' },
    badTexts: ['', ' ', '0', '1', 'true', 'false', 'off', 'place,target'],
    values: ['place', 'target', 'none'],
    badValues: [0, 1, true, false, null, '', 'Place', ' none', NONE, Number.NaN, [], ['none'], {}],
  },
  retryReads: { env: 'CONN_RETRY_READS', default: true, ...flag },
};

/** Whether the type of the argument has the word `none`; checked by the compiler. */
const NONE_IN_TYPE: { [K in PolicyKey]: 'none' extends PolicyOverrides[K] ? true : false } = {
  maxAgeMs: true,
  maxAgeJitter: false,
  maxUses: true,
  idleTimeoutMs: true,
  maxConnections: false,
  reuseConnections: false,
  minConnections: false,
  healthChecks: false,
  healthBypassMs: false,
  healthTimeoutMs: false,
  keepaliveMs: true,
  inFlightCheckMs: true,
  acquireTimeoutMs: true,
  connectTimeoutMs: true,
  maxWaiting: true,
  reset: true,
  leakAfterMs: true,
  statements: false,
  statementsForWrites: false,
  prepareThreshold: false,
  pipeline: true,
  budget: true,
  budgetName: true,
  budgetStrict: false,
  budgetLeash: false,
  writable: false,
  exitOnIdle: false,
  pooler: true,
  share: true,
  retryReads: false,
};

const overridesOf = (key: PolicyKey, value: unknown) => ({ [key]: value }) as PolicyOverrides;

describe.each(Object.entries(ROWS) as [PolicyKey, Row][])('%s', (key, row) => {
  it('has its default when nobody sets it', () => {
    const policy = parsePolicy({});
    expect(policy[key]).toBe(row.default);
    expect(policy.sources[key]).toEqual({ from: 'default' });
  });

  it.each(Object.entries(row.texts))('reads the variable %j as %s', (text, value) => {
    const policy = parsePolicy({ [row.env]: text });
    expect(policy[key]).toBe(value);
    expect(policy.sources[key]).toEqual({ from: 'environment', name: row.env });
  });

  it.each(row.badTexts)('refuses the variable %j', (text) => {
    const problems = problemsOf(() => parsePolicy({ [row.env]: text }));
    expect(problems).toEqual([{ name: row.env, value: text, allowed: expect.stringMatching(/\w/) }]);
  });

  it.each(row.values.map((value) => [value]))('takes the argument %s', (value) => {
    const policy = parsePolicy({}, overridesOf(key, value));
    expect(policy[key]).toBe(value);
    expect(policy.sources[key]).toEqual({ from: 'argument', name: `policy.${key}` });
  });

  it.each(row.badValues.map((value) => [value]))('refuses the argument %s', (value) => {
    const problems = problemsOf(() => parsePolicy({}, overridesOf(key, value)));
    const shown = typeof value === 'object' && value !== null ? '(object)' : value;
    expect(problems).toEqual([{ name: `policy.${key}`, value: shown, allowed: expect.stringMatching(/\w/) }]);
  });

  it('takes the word none as an argument exactly where its type says so', () => {
    const parse = () => parsePolicy({}, overridesOf(key, 'none'));
    if (!NONE_IN_TYPE[key]) expect(problemsOf(parse)).toHaveLength(1);
    else expect(parse()[key]).toBe(['choice', 'name'].includes(POLICY_OPTIONS[key].kind) ? 'none' : NONE);
  });

  it('takes undefined for not given', () => {
    expect(parsePolicy({ [row.env]: undefined }, overridesOf(key, undefined)).sources[key]).toEqual({
      from: 'default',
    });
  });

  it('is described beside its type: variable, default, and what 0 and none mean', () => {
    const option = POLICY_OPTIONS[key];
    const doc = docOf(key);
    expect(doc).toContain(`\`${row.env}\`, default ${defaultInWords(option)}`);
    expect(doc).toContain(zeroInWords(option));
    expect(doc).toContain(noneInWords(option));
  });
});

describe('The table of options', () => {
  it('has the rows of the contract, in an order in which a followed key comes first', () => {
    expect([...POLICY_KEYS]).toEqual(Object.keys(POLICY_OPTIONS));
    expect([...POLICY_KEYS].sort()).toEqual(Object.keys(ROWS).sort());
    expect(POLICY_KEYS.indexOf('maxConnections')).toBeLessThan(POLICY_KEYS.indexOf('reuseConnections'));
  });
});

describe('A variable whose default is under a second', () => {
  it.each([
    ['500', 'wants a unit: 500 alone would mean 500 s; is 500ms meant?'],
    ['0.5', 'wants a unit: 0.5 alone would mean 0.5 s; is 0.5s meant?'],
  ])('wants a unit and says what the bare number %s would mean', (text, allowed) => {
    const [problem] = problemsOf(() => parsePolicy({ CONN_HEALTH_BYPASS: text }));
    expect(problem).toEqual({ name: 'CONN_HEALTH_BYPASS', value: text, allowed });
  });
});

describe('A refusal says what is allowed', () => {
  it.each([
    ['CONN_MAX_AGE', '', 'empty; give it a value, or unset it; none = no limit'],
    ['CONN_MAX_AGE', '30 m', 'not a duration; write 30 or 30s for 30 seconds, 500ms, 5m or 2h; none = no limit'],
    ['CONN_MAX_AGE', '30d', 'not a duration; write 30 or 30s for 30 seconds, 500ms, 5m or 2h; none = no limit'],
    ['CONN_MAX_AGE', '600h', 'at most 24.8 days, the most that a timer can hold; none = no limit'],
    ['CONN_ACQUIRE_TIMEOUT', '0', '0 is refused: no limit in one pool, no time at all in another; none = no limit'],
    ['CONN_HEALTH_TIMEOUT', '500', 'from 1 ms to 1 min'],
    ['CONN_MAX_AGE_JITTER', '25%', 'a number from 0 to 0.9'],
    ['CONN_MAX_AGE_JITTER', '1', 'from 0 to 0.9'],
    ['MAX_CONNS', '0', '0 is refused: no connection could be opened'],
    ['MAX_CONNS', '300000', 'from 1 to 262143'],
    ['MAX_CONNS', 'ten', 'a whole number'],
    ['CONN_BUDGET', 'all', 'a whole number; none = off; auto = 80 % of what the server allows'],
    ['CONN_HEALTH_CHECKS', 'maybe', 'true or false (also on/off, yes/no, 1/0)'],
    ['CONN_RESET', 'discard', 'rollback, session or none'],
    ['CONN_SHARE', 'false', 'place, target or none'],
  ])('%s=%s: %s', (name, value, allowed) => {
    expect(problemsOf(() => parsePolicy({ [name]: value }))).toEqual([{ name, value, allowed }]);
  });

  it.each([
    ['maxAgeMs', '30s', 'milliseconds as a whole number (30000), not a string; none = no limit'],
    ['maxAgeMs', 'soon', 'milliseconds as a whole number, not a string; none = no limit'],
    ['maxAgeMs', null, 'milliseconds as a whole number, not null; none = no limit'],
    ['maxAgeMs', Number.NaN, 'milliseconds as a whole number, not NaN; none = no limit'],
    ['maxAgeMs', 1.5, 'milliseconds as a whole number; none = no limit'],
    ['maxAgeMs', 2 ** 31, 'from 0 ms to 24.8 days, the most that a timer can hold; none = no limit'],
    ['maxConnections', '10', 'a whole number, not a string'],
    ['maxConnections', Number.POSITIVE_INFINITY, 'from 1 to 262143'],
    ['healthChecks', 'true', 'true or false, not a string'],
    ['reset', 'discard', 'rollback, session or none'],
  ] as const)('%s: %s → %s', (key, value, allowed) => {
    const problems = problemsOf(() => parsePolicy({}, overridesOf(key, value)));
    expect(problems).toEqual([{ name: `policy.${key}`, value, allowed }]);
  });
});

const SOURCE = readFileSync(new URL('../../../packages/core/src/policy/policy.ts', import.meta.url), 'utf8');

/** The docstring of a field of PolicyValues, as one line. */
function docOf(key: PolicyKey): string {
  const end = SOURCE.indexOf(`\n  ${key}: `);
  const start = SOURCE.lastIndexOf('/**', end);
  return SOURCE.slice(start, end).replaceAll(/\s+\*?\s*/g, ' ');
}

function defaultInWords(option: PolicyOption): string {
  if (typeof option.default === 'object') return `= \`${option.default.sameAs}\``;
  if (option.kind === 'name') return option.defaultMeans;
  if (option.kind === 'duration') return formatDuration(option.default as number);
  return option.default === NONE ? 'none' : String(option.default);
}

function zeroInWords(option: PolicyOption): string {
  if (option.kind === 'flag') return '`0`: as `false`';
  if (option.kind === 'name') return '`0`: a name';
  if (option.kind === 'choice' || option.smallest > 0) return '`0`: refused';
  return `\`0\`: ${option.zero.split(':')[0]}`;
}

function noneInWords(option: PolicyOption): string {
  if (option.kind === 'choice') return '`none` leaves it';
  if (option.kind === 'name') return 'No `none`: it is a name';
  if (option.kind === 'flag' || option.none === undefined) return 'No `none`';
  return `\`none\`: ${option.none}`;
}
