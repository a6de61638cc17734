import { LONGEST_MS } from './durations.js';
import type { PolicyKey } from './policy.js';

interface Common {
  /** The variable, without a pool's prefix. */
  readonly env: string;
  /** In one line, as the README's table has it. */
  readonly meaning: string;
  /** Checked already, acted on by a later version. */
  readonly later?: true;
}

export interface NumberOption extends Common {
  /** Durations are whole milliseconds, counts are whole numbers, shares are fractions. */
  readonly kind: 'duration' | 'count' | 'share';
  readonly default: number | { readonly sameAs: PolicyKey };
  readonly smallest: number;
  readonly largest: number;
  /** What 0 means or, where `smallest` is above it, why it is refused. */
  readonly zero: string;
  /** What `none` means; absent where it is refused. */
  readonly none?: string;
  /** What `auto` means; absent where it is refused. */
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

export type PolicyOption = NumberOption | FlagOption | ChoiceOption;

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const NONE = Number.POSITIVE_INFINITY;
/** The largest `max_connections` that PostgreSQL takes. */
const SERVER_LIMIT = 262_143;
const AMBIGUOUS = 'no limit in one pool, no time at all in another';

type Rest = Pick<NumberOption, 'default' | 'meaning' | 'zero'> & Partial<NumberOption>;
const duration = (env: string, rest: Rest): NumberOption => {
  return { env, kind: 'duration', smallest: 1, largest: LONGEST_MS, ...rest };
};
const count = (env: string, rest: Rest): NumberOption => {
  return { env, kind: 'count', smallest: 0, largest: SERVER_LIMIT, ...rest };
};

/** Every key of the policy. The parser, the README's table and its tests follow this. `sameAs` may name an earlier key only. */
export const POLICY_OPTIONS: { readonly [K in PolicyKey]: PolicyOption } = {
  maxAgeMs: duration('CONN_MAX_AGE', {
    default: 30 * MINUTE,
    meaning: 'retire a connection at this age, but never in use; every connection serves at least once',
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
    meaning: 'retire a connection after this many checkouts',
    smallest: 1,
    largest: Number.MAX_SAFE_INTEGER,
    zero: 'no connection could serve (1 closes after each use)',
    none: 'no limit',
  }),
  idleTimeoutMs: duration('CONN_IDLE_TIMEOUT', {
    default: 10 * MINUTE,
    meaning: 'close what has been idle this long, down to `minConnections`',
    zero: `${AMBIGUOUS} (a maximum age of 0 closes after each use)`,
    none: 'no limit',
  }),
  maxConnections: count('MAX_CONNS', {
    default: 10,
    meaning: 'connections that this pool has open at most',
    smallest: 1,
    zero: 'no connection could be opened',
  }),
  reuseConnections: count('REUSE_CONNS', {
    default: { sameAs: 'maxConnections' },
    meaning: 'idle connections kept for reuse; a returned one above it is closed after a short linger',
    zero: 'none is kept longer than the linger',
  }),
  minConnections: count('MIN_CONNS', {
    default: 0,
    meaning: 'connections kept open, and warm from the start',
    zero: 'off',
  }),
  healthChecks: { env: 'CONN_HEALTH_CHECKS', kind: 'flag', default: true, meaning: 'check a connection before reuse' },
  healthBypassMs: duration('CONN_HEALTH_BYPASS', {
    default: 500,
    meaning: 'a connection heard from this recently is not checked',
    smallest: 0,
    zero: 'off: every reuse is checked',
  }),
  healthTimeoutMs: duration('CONN_HEALTH_TIMEOUT', {
    default: SECOND,
    meaning: 'a check that takes longer is late; it has failed once the server has answered others meanwhile',
    largest: MINUTE,
    zero: 'no check could pass (checks can be turned off instead)',
  }),
  keepaliveMs: duration('CONN_KEEPALIVE', {
    default: 2 * MINUTE,
    meaning: 'idle connections are checked this often in the background',
    zero: 'off in one pool, without pause in another',
    none: 'off',
  }),
  inFlightCheckMs: duration('CONN_IN_FLIGHT_CHECK', {
    default: 30 * SECOND,
    meaning:
      'a query in flight this long is looked for on the server, over another connection; again at twice the time, and so on',
    zero: 'every query would be looked for',
    none: 'off',
  }),
  acquireTimeoutMs: duration('CONN_ACQUIRE_TIMEOUT', {
    default: 30 * SECOND,
    meaning:
      'longest wait for a connection; the default counts from the last progress of the line, a limit that you set from the call',
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
    meaning: 'refuse at once when this many already wait for a connection that is in use',
    largest: Number.MAX_SAFE_INTEGER,
    zero: 'refuse whenever all are in use',
    none: 'no limit',
  }),
  reset: {
    env: 'CONN_RESET',
    kind: 'choice',
    default: 'rollback',
    choices: ['rollback', 'session', 'none'],
    meaning:
      'on return: `rollback` an open transaction; `session` also clears session state and runs the set-up of the app again; `none`: neither',
  },
  leakAfterMs: duration('CONN_LEAK_THRESHOLD', {
    default: NONE,
    meaning: 'report a connection held this long, with the stack that took it',
    zero: 'every checkout would be reported',
    none: 'off',
  }),
  statements: count('CONN_STATEMENTS', {
    default: 100,
    meaning:
      'prepared statements kept on each connection, of reads whose answer cannot depend on when they were parsed; behind a pooler only if this is set',
    largest: Number.MAX_SAFE_INTEGER,
    zero: 'off',
  }),
  statementsForWrites: {
    env: 'CONN_STATEMENTS_WRITES',
    kind: 'flag',
    default: false,
    meaning:
      'prepare writes too: a column whose type another process changes may then store [converted values](docs/statements.md#writes) for some seconds',
  },
  prepareThreshold: count('CONN_PREPARE_THRESHOLD', {
    default: 5,
    meaning: 'a query with parameters is prepared when this process runs it for this many times',
    smallest: 1,
    largest: Number.MAX_SAFE_INTEGER,
    zero: 'nothing could be prepared (`statements: 0` turns it off)',
  }),
  budget: count('CONN_BUDGET', {
    default: NONE,
    meaning: 'server connections that all processes together may open',
    smallest: 1,
    zero: 'no process could connect',
    none: 'no limit',
    auto: 'from the limit of the server itself',
    later: true,
  }),
  writable: {
    env: 'CONN_WRITABLE',
    kind: 'flag',
    default: false,
    meaning: 'every check, and every new connection, asks whether the server accepts writes',
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
      'pools of this process that share one `maxConnections`: with `place` those that are made again and again at one place of the code, with `target` all with the same target and settings; `none`: each has its own',
  },
  retryReads: {
    env: 'CONN_RETRY_READS',
    kind: 'flag',
    default: true,
    meaning: 'Prisma only: run a read outside transactions again, once, when its connection was lost',
  },
};

export const POLICY_KEYS = Object.keys(POLICY_OPTIONS) as readonly PolicyKey[];
