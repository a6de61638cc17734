import type pg from 'pg';
import type { PolicyProblem } from '../../errors.js';
import { type HostSetting, type HostSettings, printable } from '../../policy/parsePolicy.js';
import type { Policy, PolicyKey, PolicyOverrides } from '../../policy/policy.js';
import type { ConnectionInfo } from '../../pool/entry.js';
import type { PoolStats } from '../../pool/stats.js';

/** The options of `new Pool()`: those of `pg.Pool`, and a policy. */
export interface PoolConfig extends pg.PoolConfig {
  /** Single settings, or a policy from `parsePolicy`. Such a policy is used as it is: neither the environment nor these options count. */
  readonly policy?: Policy | PolicyOverrides | undefined;
}

/** The members of a `Pool` that a `pg.Pool` lacks. */
export interface PoolAdditions {
  /** Present figures, counters since the pool was made, and the source of each setting. */
  stats(): PoolStats;
  /** Every connection: its backend, state, age, idle time, uses and checks. */
  connections(): ConnectionInfo[];
  /** Replaces every connection, gracefully: idle ones now, the others when they come back. */
  invalidate(): void;
  /**
   * Closes the pool like `end()`, but with a time limit, and may be called again. Callers in line are served, later ones refused.
   *
   * @param timeoutMs milliseconds after which callers in line are refused and the connections dropped; default: no limit
   */
  drain(timeoutMs?: number): Promise<void>;
  /** `rollback`: a client was returned inside a transaction, which was rolled back. */
  on(event: 'rollback', listener: (client: pg.PoolClient) => void): this;
}

/** The options of pg-pool, without the policy. */
export function stockOptions(config: PoolConfig): pg.PoolConfig {
  const options: PoolConfig = copyOf(config);

  delete (options as { policy?: unknown }).policy;
  return options;
}

/** The configuration of a new client. The pool's options are read for each client, because apps change the password in them. */
export function clientConfig(options: pg.PoolConfig, connection: object | undefined): pg.ClientConfig {
  // The engine limits the duration of a connect. A second timer, of `pg`, would fire before it.
  return Object.assign(copyOf(options), { connectionTimeoutMillis: 0, ...(connection && { connection }) });
}

/** Copies by descriptors: a spread would lose the password and the TLS key, which pg-pool hides from enumeration. */
function copyOf<T extends object>(options: T): T {
  return Object.create(Object.getPrototypeOf(options), Object.getOwnPropertyDescriptors(options));
}

/** The options of pg-pool that are in effect under this policy, in its units and with its zeros, for tools that read `pool.options`. */
export function effectiveOptions(policy: Policy): pg.PoolConfig {
  const { maxConnections, minConnections, maxUses, maxAgeMs, idleTimeoutMs, acquireTimeoutMs, exitOnIdle } = policy;
  return {
    max: maxConnections,
    min: minConnections,
    // An age of 0 closes after each use. pg-pool would read its own 0 as no limit.
    maxUses: maxAgeMs === 0 ? 1 : maxUses,
    maxLifetimeSeconds: zeroForNone(maxAgeMs) / 1_000,
    idleTimeoutMillis: zeroForNone(idleTimeoutMs),
    connectionTimeoutMillis: zeroForNone(acquireTimeoutMs),
    allowExitOnIdle: exitOnIdle,
  };
}

function zeroForNone(ms: number): number {
  return Number.isFinite(ms) ? ms : 0;
}

/** The translation of one option of pg-pool. */
interface Row {
  readonly option: string;
  readonly keys: readonly PolicyKey[];
  readonly type?: 'boolean';
  /** The meaning of 0 in pg-pool; without this it is the number 0. */
  readonly zero?: 'not written' | 'no limit';
  /** The number of Tenure's units in one unit of the option. */
  readonly factor?: number;
}

/**
 * Read in the source of pg-pool 3.14.0, `index.js`. A later row overrules an earlier one. If 0 means no limit, so does `Infinity`
 * here; pg-pool passes it to `setTimeout`, which makes 1 ms of it.
 */
const ROWS: readonly Row[] = [
  // `max = max || poolSize || 10`
  { option: 'poolSize', keys: ['maxConnections'], zero: 'not written' },
  { option: 'max', keys: ['maxConnections'], zero: 'not written' },
  // `min = min || 0`: pg-pool closes no idle connections below it, but does not open any to reach it.
  { option: 'min', keys: ['minConnections'] },
  // `if (idleTimeoutMillis && aboveMin) setTimeout(…)`; only `undefined` becomes 10 s.
  { option: 'idleTimeoutMillis', keys: ['idleTimeoutMs'], zero: 'no limit' },
  // `if (!connectionTimeoutMillis)`: the wait has no limit. `if (connectionTimeoutMillis)`: a connect has one.
  { option: 'connectionTimeoutMillis', keys: ['acquireTimeoutMs', 'connectTimeoutMs'], zero: 'no limit' },
  // `maxUses = maxUses || Infinity`
  { option: 'maxUses', keys: ['maxUses'], zero: 'no limit' },
  // `if (maxLifetimeSeconds !== 0) setTimeout(…, maxLifetimeSeconds * 1000)`
  { option: 'maxLifetimeSeconds', keys: ['maxAgeMs'], zero: 'no limit', factor: 1_000 },
  // `allowExitOnIdle = allowExitOnIdle || false`
  { option: 'allowExitOnIdle', keys: ['exitOnIdle'], type: 'boolean' },
];

/** Translates the `pg.Pool` options that the app wrote. The others are left to Tenure. */
export function fromPgPool(options: object = {}): HostSettings {
  const settings: { [K in PolicyKey]?: HostSetting } = {};
  const problems: PolicyProblem[] = [];
  for (const row of ROWS) {
    const written: unknown = options[row.option as keyof typeof options];
    const name = `pool.${row.option}`;
    const value = written === undefined ? undefined : translate(row, written);
    if (value === 'wrong type') problems.push({ name, value: printable(written), allowed: allowed(row) });
    else if (value !== undefined) for (const key of row.keys) settings[key] = { value, name, written };
  }
  return problems.length > 0 ? { ...settings, problems } : settings;
}

function translate(row: Row, written: unknown): number | boolean | 'wrong type' | undefined {
  const { type, zero, factor = 1 } = row;
  // `@types/pg` allows `null`, which pg-pool treats as 0 or false.
  if (written === null) return translate(row, type === 'boolean' ? false : 0);
  if (type === 'boolean') return typeof written === 'boolean' ? written : 'wrong type';
  // pg-pool compares and computes, and so reads text as a number: `max: process.env.DB_POOL_MAX` works there.
  if (typeof written === 'string' && written.trim() !== '') return translate(row, Number(written));
  if (typeof written !== 'number' || Number.isNaN(written)) return 'wrong type';
  if (written === 0 && zero === 'not written') return undefined;
  if (written === 0 && zero === 'no limit') return Number.POSITIVE_INFINITY;
  // Rounded, since the option may have a fraction of a second (0.3 * 1000 may not be whole), and a timer ignores fractions of 1 ms.
  return factor === 1 ? written : Math.round(written * factor);
}

function allowed({ type, zero }: Row): string {
  if (type === 'boolean') return 'true or false';
  return zero === 'no limit' ? 'a number; 0 = no limit' : 'a number';
}
