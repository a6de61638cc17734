/** The settings of a pool. Durations are in milliseconds; `none` (no limit, or off) is the number `Infinity`. */
export interface PolicyValues {
  /**
   * Close a connection at this age: at checkout, at return and while idle, never in use. Each connection serves at least once.
   * `CONN_MAX_AGE`, default 30 min. `0`: close after each use, `none`: no limit, both as in Django.
   */
  maxAgeMs: number;
  /**
   * Shortens the life of each connection by a random share up to this one, never lengthens it (as HikariCP and psycopg do).
   * `CONN_MAX_AGE_JITTER`, default 0.25, at most 0.9: with 1 some connections would hardly live. `0`: off. No `none`.
   */
  maxAgeJitter: number;
  /** Close a connection after this many checkouts. `CONN_MAX_USES`, default none. `0`: refused. `none`: no limit. */
  maxUses: number;
  /**
   * Close a connection that has been idle this long, down to `minConnections`. `CONN_IDLE_TIMEOUT`, default 10 min. `0`: refused. `none`: no
   * limit.
   */
  idleTimeoutMs: number;
  /** Most connections that this pool may have open. `MAX_CONNS`, default 10. `0`: refused. No `none`: a pool without a limit fills the server. */
  maxConnections: number;
  /**
   * Idle connections kept for reuse; those above it are closed after one second.
   * `REUSE_CONNS`, default = `maxConnections`. `0`: none is kept longer than one second. No `none`.
   */
  reuseConnections: number;
  /** Connections kept open, from the start on. `MIN_CONNS`, default 0. `0`: off. No `none`. */
  minConnections: number;
  /** Check a connection before reuse. `CONN_HEALTH_CHECKS`, default true. `0`: as `false`, which turns it off. No `none`. */
  healthChecks: boolean;
  /**
   * A connection on which the server answered this recently is not pinged.
   * `CONN_HEALTH_BYPASS`, default 500 ms; the environment wants a unit. `0`: off: a ping before each reuse. No `none`.
   */
  healthBypassMs: number;
  /**
   * A check fails after this time if the server has answered other connections meanwhile. If it answers none, the check fails after ten times this
   * time, and at least 10 s. `CONN_HEALTH_TIMEOUT`, default 1 s, at most 1 min since callers wait for it. `0`: refused. No `none`: `healthChecks`
   * turns checks off.
   */
  healthTimeoutMs: number;
  /** Ping idle connections this often in the background. `CONN_KEEPALIVE`, default 2 min. `0`: refused. `none`: off. */
  keepaliveMs: number;
  /**
   * After this time, query the server over another connection whether it is working on a query in flight; then at twice the time,
   * and so on. A query whose backend is gone or idle fails with `TENURE_CONNECTION_LOST`; one that runs is not touched.
   * `CONN_IN_FLIGHT_CHECK`, default 30 s. `0`: refused. `none`: off.
   */
  inFlightCheckMs: number;
  /**
   * Longest wait for a connection. `CONN_ACQUIRE_TIMEOUT`, default 30 s. The default counts from when a caller in line was last served: it ends a
   * line that is stuck, and not one that is long. A value that was set anywhere counts from the call. `0`: refused. `none`: no limit.
   */
  acquireTimeoutMs: number;
  /** Longest wait for one connect. `CONN_CONNECT_TIMEOUT`, default 10 s. `0`: refused. `none`: no limit. */
  connectTimeoutMs: number;
  /**
   * Refuse a caller at once when this many already wait for a connection that is in use.
   * `CONN_MAX_WAITING`, default none. `0`: refuse whenever all connections are in use. `none`: no limit.
   */
  maxWaiting: number;
  /**
   * What a return does to the session: `rollback` rolls back an open transaction; `session` also clears all state and runs the app's set-up again; `none` leaves it as it is.
   * `CONN_RESET`, default rollback. `0`: refused.
   */
  reset: 'rollback' | 'session' | 'none';
  /**
   * Report a connection that is held this long, with the stack of the call that took it (stacks are captured only when this is set).
   * `CONN_LEAK_THRESHOLD`, default none. `0`: refused. `none`: off.
   */
  leakAfterMs: number;
  /**
   * Prepared statements kept on each connection, for reads whose answer cannot depend on when they were parsed; behind a pooler only if this or
   * `prepareThreshold` is set. `CONN_STATEMENTS`, default 100. `0`: off. No `none`: each costs the server memory.
   */
  statements: number;
  /**
   * Prepare writes, and reads that lock rows, too. A statement keeps the types that its parameters had when it was prepared: while another process
   * changes the type of a column, values may be stored converted for some seconds (see docs/statements.md). `CONN_STATEMENTS_WRITES`, default
   * false. `0`: as `false`. No `none`.
   */
  statementsForWrites: boolean;
  /**
   * Prepare a query with parameters from this run of it on, counted in this process; 1: from the first.
   * `CONN_PREPARE_THRESHOLD`, default 5 (as in pgJDBC and psycopg). `0`: refused, `statements: 0` turns it off. No `none`.
   */
  prepareThreshold: number;
  /**
   * When all connections are in use. `reads`: a prepared read outside transactions, which has proved to be short, is sent on a connection that
   * other such reads are using (pipelining). `none` leaves it its connection alone. `CONN_PIPELINE`, default none. `0`: refused.
   */
  pipeline: 'none' | 'reads';
  /**
   * Most connections that all processes with this setting may open together, on one database; `auto`: 80 % of what the server allows.
   * `CONN_BUDGET`, default none. `0`: off. `none`: off. See docs/fleet.md.
   */
  budget: number | 'auto';
  /**
   * What is between this pool and the server. `auto`: the first connection shows whether there is a pooler, but not in which
   * mode; it counts as one in transaction mode. `transaction`, `session`: a pooler in that mode. `none` leaves it out: there is
   * no pooler, and no connection is tested. `CONN_POOLER`, default auto. `0`: refused.
   */
  pooler: 'auto' | 'transaction' | 'session' | 'none';
  /**
   * Pools with the same name, on the same database, share one budget. 1 to 63 letters, digits, spaces, and `_ . : -`.
   * `CONN_BUDGET_NAME`, default the database. `0`: a name. No `none`: it is a name as well.
   */
  budgetName: string;
  /**
   * A process for which the budget has no slot waits; its callers time out with an error that says so. Without this setting it
   * opens one connection above the budget. `CONN_BUDGET_STRICT`, default false. `0`: as `false`. No `none`.
   */
  budgetStrict: boolean;
  /**
   * With a budget, set `tcp_keepalives_*`, `client_connection_check_interval` and `idle_session_timeout` on each session if the
   * server leaves them unset, so that it ends the sessions of a process that has vanished. `CONN_BUDGET_LEASH`, default true.
   * `0`: as `false`, which turns it off. No `none`.
   */
  budgetLeash: boolean;
  /**
   * Query with every check, and on every new connection, whether the server takes writes. `CONN_WRITABLE`, default false. `0`: as
   * `false`. No `none`.
   */
  writable: boolean;
  /** An idle pool does not keep the process alive. `CONN_EXIT_ON_IDLE`, default true. `0`: as `false`. No `none`. */
  exitOnIdle: boolean;
  /**
   * Which pools of this process keep to one `maxConnections` together, each with connections of its own. `place`: those with the same target and
   * settings that are made at the same place of the app's code, as by hot reload or for each request. `target`: wherever they are made. `none` leaves it
   * a limit of its own, which a pool with `maxConnections: 1` always has. `CONN_SHARE`, default place. `0`: refused.
   */
  share: 'place' | 'target' | 'none';
  /**
   * Prisma only: run a read once more when its connection was lost. Never in a transaction, and never a write.
   * `CONN_RETRY_READS`, default true. `0`: as `false`. No `none`.
   */
  retryReads: boolean;
}

export type PolicyKey = keyof PolicyValues;
export type PolicyValue = PolicyValues[PolicyKey];

type KeyWithNone =
  | 'maxAgeMs'
  | 'maxUses'
  | 'idleTimeoutMs'
  | 'keepaliveMs'
  | 'inFlightCheckMs'
  | 'acquireTimeoutMs'
  | 'connectTimeoutMs'
  | 'maxWaiting'
  | 'leakAfterMs'
  | 'budget';

/** The settings that code passes. `undefined` means not given; durations are numbers of milliseconds. */
export type PolicyOverrides = {
  readonly [K in PolicyKey]?: PolicyValues[K] | (K extends KeyWithNone ? 'none' : never) | undefined;
} & {
  /** A prefix: with the name `orders`, `ORDERS_CONN_MAX_AGE` is read before `CONN_MAX_AGE`. */
  readonly name?: string | undefined;
};

/** The source of a value. */
export interface PolicySource {
  readonly from: 'argument' | 'environment' | 'host' | 'default';
  /** The name as it was written: `policy.maxAgeMs`, `ORDERS_CONN_MAX_AGE`, `pool.max`. A default has none. */
  readonly name?: string;
}

/** A value and its source. */
export interface PolicySetting {
  readonly value: PolicyValue;
  readonly source: PolicySource;
}

/** A policy that has been checked. Deeply frozen. */
export interface Policy extends Readonly<PolicyValues> {
  readonly name?: string;
  readonly sources: Readonly<Record<PolicyKey, PolicySource>>;
}

/** A registered symbol, so that the ESM and the CommonJS copy of this module accept each other's policies. */
const CHECKED = Symbol.for('@tenure/core/policy');

/** Whether this is a checked policy, and not overrides. */
export function isPolicy(value: unknown): value is Policy {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, CHECKED);
}

/** Makes a policy of settings that have been checked, one for each key. */
export function policyOf(settings: ReadonlyMap<PolicyKey, PolicySetting>, name: string | undefined): Policy {
  const entries = [...settings];
  const values = Object.fromEntries(entries.map(([key, { value }]) => [key, value]));
  const sources = Object.fromEntries(entries.map(([key, { source }]) => [key, Object.freeze({ ...source })]));
  const policy = { ...(name !== undefined && { name }), ...values, sources: Object.freeze(sources) };
  return Object.freeze(Object.defineProperty(policy, CHECKED, { value: true })) as unknown as Policy;
}
