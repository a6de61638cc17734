import type pg from 'pg';
import type { Policy, PolicyOverrides } from '../../policy/policy.js';
import type { ConnectionInfo, PoolStats } from '../../pool/stats.js';

/** What `new Pool()` takes: all that the pool of `pg` takes, and a policy. */
export interface PoolConfig extends pg.PoolConfig {
  /** Single settings, or a policy from `parsePolicy`, which then is the last word: neither the environment nor these options count. */
  readonly policy?: Policy | PolicyOverrides | undefined;
}

/** What a `Pool` has beside all that a `pg.Pool` has. */
export interface PoolAdditions {
  /** Figures of this moment, counters since the start, and where each setting came from. */
  stats(): PoolStats;
  /** Every connection: its backend, state, age, idle time, uses and checks. */
  connections(): ConnectionInfo[];
  /** Replaces every connection, gracefully: idle ones now, the others when they come back. */
  invalidate(): void;
  /**
   * Closes the pool like `end()`, with a time limit and as often as you like: those in line are served, later ones refused.
   *
   * @param timeoutMs how many milliseconds all that may take before those in line are refused and the connections are dropped; default: no limit
   */
  drain(timeoutMs?: number): Promise<void>;
  /** `rollback`: a client came back inside a transaction, which was rolled back. */
  on(event: 'rollback', listener: (client: pg.PoolClient) => void): this;
}

/** The options without the policy, which is no business of pg-pool's. */
export function stockOptions(config: PoolConfig): pg.PoolConfig {
  const options: PoolConfig = copyOf(config);
  // A copy: it has no reader but us.
  delete (options as { policy?: unknown }).policy;
  return options;
}

/** What each client is made with. The pool's options are read anew every time, since apps change the password in them. */
export function clientConfig(options: pg.PoolConfig, connection: object | undefined): pg.ClientConfig {
  // The engine limits how long a connect takes: a second timer, with pg's own idea of the limit, would only get in its way.
  return Object.assign(copyOf(options), { connectionTimeoutMillis: 0, ...(connection && { connection }) });
}

/** Not by spreading: pg-pool hides the password and the TLS key from enumeration, so a spread would lose them. */
function copyOf<T extends object>(options: T): T {
  return Object.create(Object.getPrototypeOf(options), Object.getOwnPropertyDescriptors(options));
}

/** What holds of pg-pool's options under this policy, in pg-pool's units and with its zeros, for tools that read `pool.options`. */
export function trueOptions(policy: Policy): pg.PoolConfig {
  const { maxConnections, minConnections, maxUses, maxAgeMs, idleTimeoutMs, acquireTimeoutMs, exitOnIdle } = policy;
  return {
    max: maxConnections,
    min: minConnections,
    // An age of 0 closes after each use; pg-pool would read its own 0 as no limit.
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
