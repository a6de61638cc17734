import { LONGEST_MS } from './durations.js';
import type { PolicyKey } from './policy.js';

interface Common {
  /** The variable, without a pool's prefix. */
  readonly env: string;
  /** One line, the same as in docs/settings.md. */
  readonly meaning: string;
}

export interface NumberOption extends Common {
  /** Durations are whole milliseconds, counts are whole numbers, shares are fractions. */
  readonly kind: 'duration' | 'count' | 'share';
  readonly default: number | { readonly sameAs: PolicyKey };
  readonly smallest: number;
  readonly largest: number;
  /** The meaning of 0, or the reason for its refusal if `smallest` is above it. */
  readonly zero: string;
  /** The meaning of `none`; absent if `none` is refused. */
  readonly none?: string;
  /** The meaning of `auto`; absent if `auto` is refused. */
  readonly auto?: string;
}

export interface FlagOption extends Common {
  readonly kind: 'flag';
  readonly default: boolean;
}

export interface ChoiceOption extends Common {
  readonly kind: 'choice';
  readonly default: string;
  readonly choices: readonly string[];
}

export interface NameOption extends Common {
  /** A name: 1 to 63 letters, digits, spaces, and `_ . : -`. */
  readonly kind: 'name';
  /** Empty. */
  readonly default: '';
  /** The meaning of an empty name. */
  readonly defaultMeans: string;
}

export type PolicyOption = NumberOption | FlagOption | ChoiceOption | NameOption;

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const NONE = Number.POSITIVE_INFINITY;
/** The largest `max_connections` that PostgreSQL accepts. */
const SERVER_LIMIT = 262_143;
const AMBIGUOUS = 'no limit in one pool, no time at all in another';

type Rest = Pick<NumberOption, 'default' | 'meaning' | 'zero'> & Partial<NumberOption>;
const duration = (env: string, rest: Rest): NumberOption => {
  return { env, kind: 'duration', smallest: 1, largest: LONGEST_MS, ...rest };
};
const count = (env: string, rest: Rest): NumberOption => {
  return { env, kind: 'count', smallest: 0, largest: SERVER_LIMIT, ...rest };
};

/** Every key of the policy. The parser, docs/settings.md and the tests follow it. `sameAs` may name an earlier key only. */
export const POLICY_OPTIONS: { readonly [K in PolicyKey]: PolicyOption } = {
  maxAgeMs: duration('CONN_MAX_AGE', {
    default: 30 * MINUTE,
    meaning: 'close a connection at this age, but never while it is in use; each connection serves at least once',
    smallest: 0,
    zero: 'close after each use',
    none: 'no limit',
  }),
  maxAgeJitter: {
    env: 'CONN_MAX_AGE_JITTER',
    kind: 'share',
    default: 0.25,
    meaning: 'shortens the life of each connection by a random share up to this one, never lengthens it',
    smallest: 0,
    largest: 0.9,
    zero: 'off',
  },
  maxUses: count('CONN_MAX_USES', {
    default: NONE,
    meaning: 'close a connection after this many checkouts',
    smallest: 1,
    largest: Number.MAX_SAFE_INTEGER,
    zero: 'no connection could serve (1 closes after each use)',
    none: 'no limit',
  }),
  idleTimeoutMs: duration('CONN_IDLE_TIMEOUT', {
    default: 10 * MINUTE,
    meaning: 'close a connection that has been idle this long, down to `minConnections`',
    zero: `${AMBIGUOUS} (a maximum age of 0 closes after each use)`,
    none: 'no limit',
  }),
  maxConnections: count('MAX_CONNS', {
    default: 10,
    meaning: 'most connections that this pool may have open',
    smallest: 1,
    zero: 'no connection could be opened',
  }),
  reuseConnections: count('REUSE_CONNS', {
    default: { sameAs: 'maxConnections' },
    meaning: 'idle connections kept for reuse; those above it are closed after one second',
    zero: 'none is kept longer than one second',
  }),
  minConnections: count('MIN_CONNS', {
    default: 0,
    meaning: 'connections kept open, from the start on',
    zero: 'off',
  }),
  healthChecks: { env: 'CONN_HEALTH_CHECKS', kind: 'flag', default: true, meaning: 'check a connection before reuse' },
  healthBypassMs: duration('CONN_HEALTH_BYPASS', {
    default: 500,
    meaning: 'a connection on which the server answered this recently is not pinged',
    smallest: 0,
    zero: 'off: a ping before each reuse',
  }),
  healthTimeoutMs: duration('CONN_HEALTH_TIMEOUT', {
    default: SECOND,
    meaning: 'a check fails after this time if the server has answered other connections meanwhile',
    largest: MINUTE,
    zero: 'no check could pass (checks can be turned off instead)',
  }),
  keepaliveMs: duration('CONN_KEEPALIVE', {
    default: 2 * MINUTE,
    meaning: 'ping idle connections this often in the background',
    zero: 'off in one pool, without pause in another',
    none: 'off',
  }),
  inFlightCheckMs: duration('CONN_IN_FLIGHT_CHECK', {
    default: 30 * SECOND,
    meaning:
      'after this time, ask the server over another connection whether it is working on a query in flight; then at twice the time, and so on',
    zero: 'every query would be asked about',
    none: 'off',
  }),
  acquireTimeoutMs: duration('CONN_ACQUIRE_TIMEOUT', {
    default: 30 * SECOND,
    meaning:
      'longest wait for a connection; the default counts from when a caller in line was last served, a value that you set counts from the call',
    zero: AMBIGUOUS,
    none: 'no limit',
  }),
  connectTimeoutMs: duration('CONN_CONNECT_TIMEOUT', {
    default: 10 * SECOND,
    meaning: 'longest wait for one connect',
    zero: AMBIGUOUS,
    none: 'no limit',
  }),
  maxWaiting: count('CONN_MAX_WAITING', {
    default: NONE,
    meaning: 'refuse a caller at once when this many already wait for a connection that is in use',
    largest: Number.MAX_SAFE_INTEGER,
    zero: 'refuse whenever all connections are in use',
    none: 'no limit',
  }),
  reset: {
    env: 'CONN_RESET',
    kind: 'choice',
    default: 'rollback',
    choices: ['rollback', 'session', 'none'],
    meaning:
      'on return, `rollback` rolls back an open transaction; `session` also clears the session and runs the set-up of the app again; `none` does neither',
  },
  leakAfterMs: duration('CONN_LEAK_THRESHOLD', {
    default: NONE,
    meaning: 'report a connection that is held this long, with the stack of the call that took it',
    zero: 'every checkout would be reported',
    none: 'off',
  }),
  statements: count('CONN_STATEMENTS', {
    default: 100,
    meaning:
      'prepared statements kept on each connection, for reads whose answer cannot depend on when they were parsed; behind a pooler in transaction mode only if this is set',
    largest: Number.MAX_SAFE_INTEGER,
    zero: 'off',
  }),
  statementsForWrites: {
    env: 'CONN_STATEMENTS_WRITES',
    kind: 'flag',
    default: false,
    meaning:
      'prepare writes too; while another process changes the type of a column, it may then store [converted values](statements.md#writes) for some seconds',
  },
  prepareThreshold: count('CONN_PREPARE_THRESHOLD', {
    default: 5,
    meaning: 'prepare a query with parameters from this run of it on, counted in this process',
    smallest: 1,
    largest: Number.MAX_SAFE_INTEGER,
    zero: 'nothing could be prepared (`statements: 0` turns it off)',
  }),
  pipeline: {
    env: 'CONN_PIPELINE',
    kind: 'choice',
    default: 'none',
    choices: ['none', 'reads'],
    meaning:
      'when all connections are in use: `reads`: short prepared reads [share](performance.md#pipelining) a connection that others of their kind use; `none`: each query has its connection alone',
  },
  budget: count('CONN_BUDGET', {
    default: NONE,
    meaning: 'most connections that [all processes together](fleet.md) may open',
    zero: 'off',
    none: 'off',
    auto: '80 % of what the server allows',
  }),
  pooler: {
    env: 'CONN_POOLER',
    kind: 'choice',
    default: 'auto',
    choices: ['auto', 'transaction', 'session', 'none'],
    meaning:
      'the mode of a [pooler](poolers.md) in front of the server; `auto` asks the first connection whether there is one, and counts it as one in transaction mode',
  },
  budgetName: {
    env: 'CONN_BUDGET_NAME',
    kind: 'name',
    default: '',
    defaultMeans: 'the database',
    meaning: 'pools with the same name, on the same database, share one budget',
  },
  budgetStrict: {
    env: 'CONN_BUDGET_STRICT',
    kind: 'flag',
    default: false,
    meaning: 'a process for which the budget has no slot waits; else it opens one connection above the budget',
  },
  budgetLeash: {
    env: 'CONN_BUDGET_LEASH',
    kind: 'flag',
    default: true,
    meaning:
      'with a budget, set [time limits](fleet.md#when-a-process-vanishes) on each session, after which its server ends it when its process has vanished',
  },
  writable: {
    env: 'CONN_WRITABLE',
    kind: 'flag',
    default: false,
    meaning: 'ask with every check, and on every new connection, whether the server takes writes',
  },
  exitOnIdle: {
    env: 'CONN_EXIT_ON_IDLE',
    kind: 'flag',
    default: true,
    meaning: 'an idle pool does not keep the process alive',
  },
  share: {
    env: 'CONN_SHARE',
    kind: 'choice',
    default: 'place',
    choices: ['place', 'target', 'none'],
    meaning:
      'which pools of this process [share](sharing.md) one `maxConnections`: `place`: those made again and again at one place of the code; `target`: all with the same target and settings; `none`: each has its own',
  },
  retryReads: {
    env: 'CONN_RETRY_READS',
    kind: 'flag',
    default: true,
    meaning: 'Prisma only: run a read outside transactions once more when its connection was lost',
  },
};

export const POLICY_KEYS = Object.keys(POLICY_OPTIONS) as readonly PolicyKey[];
