import { NOT_REUSED_CAUSES, type NotReusedCause } from '../lifecycle/reuse.js';
import { CLOSE_REASONS, type CloseReason } from '../lifecycle/state.js';
import { describePolicy } from '../policy/describePolicy.js';
import type { Policy } from '../policy/policy.js';
import type { PoolContext } from './channels.js';
import type { Connector, PipelineStats, PoolerKind, StatementStats } from './connector.js';
import type { ConnectionInfo, PoolEntry } from './entry.js';
import type { BudgetStats } from './slotLocks.js';

/** The figures of a pool, and its counters since it was made. */
export interface PoolStats extends PoolContext {
  /** How many pools of this process share this limit, including this one; `share` says which. */
  readonly owners: number;
  /** Checkouts. */
  readonly acquired: number;
  /** The share of checkouts served by a connection that had served before, 0 to 1; 0 before the first checkout. */
  readonly reusedShare: number;
  readonly opened: number;
  /** Connects that failed. */
  readonly openFailures: number;
  /** Closed connections, by reason. */
  readonly closed: Readonly<Record<CloseReason, number>>;
  /** Callers whose wait ended without a connection. */
  readonly timeouts: number;
  /**
   * Callers that were refused at once, or while they waited: the database is unreachable or refuses this client, too many callers
   * wait, or the pool closes.
   */
  readonly refused: number;
  readonly checks: { readonly done: number; readonly failed: number };
  /** Transactions that were open when their connection was returned, and were rolled back. */
  readonly rolledBack: number;
  /** How often an incident put all connections in question: one was lost, the server took no writes any more, or the process was frozen. */
  readonly epochs: number;
  /** How long callers waited for a connection, in milliseconds; at most an eighth too long, or a millisecond too short. */
  readonly waitMs: { readonly p50: number; readonly p90: number; readonly p99: number; readonly max: number };
  /** What is between the pool and the server; `unknown` before the first connection. */
  readonly pooler: PoolerKind;
  /** The budget that all processes share; `null` without one, and if it cannot hold. */
  readonly budget: BudgetStats | null;
  /** Prepared statements. Absent if the connector keeps none. */
  readonly statements?: StatementStats;
  /** Reads that share connections. Absent unless `pipeline` allows that. */
  readonly pipelined?: PipelineStats;
  /** Each setting, and the source of its value. */
  readonly policy: ReturnType<typeof describePolicy>;
}

export function takeStats(
  context: PoolContext,
  counters: Counters,
  policy: Policy,
  {
    owners,
    pooler,
    budget,
    statements,
    pipelined,
  }: Pick<PoolStats, 'owners' | 'pooler' | 'budget'> & {
    readonly statements: StatementStats | undefined;
    readonly pipelined: PipelineStats | undefined;
  },
): PoolStats {
  const { acquired, reused, opened, openFailures, timeouts, refused, rolledBack, epochs, waits } = counters;
  return {
    ...context,
    owners,
    acquired,
    reusedShare: acquired === 0 ? 0 : reused / acquired,
    opened,
    openFailures,
    closed: { ...counters.closed },
    timeouts,
    refused,
    checks: { done: counters.checksDone, failed: counters.checksFailed },
    rolledBack,
    epochs,
    waitMs: {
      p50: waits.quantile(0.5, acquired),
      p90: waits.quantile(0.9, acquired),
      p99: waits.quantile(0.99, acquired),
      max: waits.longest,
    },
    pooler,
    budget,
    ...(statements && { statements }),
    ...(pipelined && { pipelined }),
    policy: describePolicy(policy),
  };
}

export function describeConnection<C extends object>(
  entry: PoolEntry<C>,
  connector: Connector<C>,
  policy: Policy,
  now: number,
): ConnectionInfo {
  const { id, kind, openedAt, idleSince, takenAt, uses, checks, resets } = entry;
  const connection = entry.isFilled ? entry.connection : undefined;
  return {
    id,
    processId: connection && connector.processId?.(connection),
    state: kind,
    ageMs: connection ? now - openedAt : 0,
    idleMs: kind === 'idle' ? now - idleSince : 0,
    heldMs: kind === 'used' ? now - takenAt : 0,
    uses,
    checks,
    resets,
    status: (connection && connector.transactionStatus?.(connection)) ?? 'unknown',
    ...(kind === 'used' && traceOf(entry, connector, policy)),
  };
}

/** Where a connection was taken, and its last statement, as far as a leak report needs them. */
export function traceOf<C extends object>(
  { connection, stack }: PoolEntry<C>,
  connector: Connector<C>,
  { leakAfterMs }: Policy,
): Pick<ConnectionInfo, 'stack' | 'lastStatement'> {
  // The text of a statement may be long.
  const wantsStatement = leakAfterMs !== Number.POSITIVE_INFINITY;
  const lastStatement = wantsStatement ? connector.lastStatement?.(connection) : undefined;
  return { ...(stack !== undefined && { stack }), ...(lastStatement !== undefined && { lastStatement }) };
}

/** Counts since the pool was made. They only grow. */
export class Counters {
  acquired = 0;
  /** Checkouts served by a connection that had served before. */
  reused = 0;
  opened = 0;
  openFailures = 0;
  timeouts = 0;
  refused = 0;
  checksDone = 0;
  checksFailed = 0;
  rolledBack = 0;
  /** Connections that will not be reused, by cause. */
  readonly lost = Object.fromEntries(NOT_REUSED_CAUSES.map((cause) => [cause, 0])) as Record<NotReusedCause, number>;
  /** Incidents that put all connections in question. */
  epochs = 0;
  readonly closed = Object.fromEntries(CLOSE_REASONS.map((reason) => [reason, 0])) as Record<CloseReason, number>;
  /** Waits of the callers that had to wait; the others waited 0 ms. */
  readonly waits = new Histogram();
}

/** Buckets for each doubling of the duration: a bucket is at most an eighth wider than its lower edge. */
const STEPS_LOG2 = 3;
const STEPS = 1 << STEPS_LOG2;
const BUCKETS = 32 * STEPS;
const LONGEST_US = 2 ** 31 - 1;

/** Counts durations in buckets of growing width, so that quantiles cost a fixed amount of memory. */
export class Histogram {
  readonly #buckets = new Uint32Array(BUCKETS);
  #longest = 0;

  add(durationMs: number): void {
    this.#buckets[bucketOf(durationMs)]!++;
    if (durationMs > this.#longest) this.#longest = durationMs;
  }

  get longest(): number {
    return this.#longest;
  }

  /** A copy, for a later `quantile` that leaves out the durations up to now. */
  copy(): Histogram {
    const copy = new Histogram();
    copy.#buckets.set(this.#buckets);
    copy.#longest = this.#longest;
    return copy;
  }

  /**
   * The duration that `share` of all durations do not exceed; at most an eighth (or a microsecond) too long. A duration above 35 minutes counts as
   * 35 minutes.
   *
   * @param total the number of all durations; those that were not added count as 0
   * @param before an earlier copy, whose durations are left out; `total` counts the others then
   */
  quantile(share: number, total: number, before = NO_WAITS): number {
    let above = total - Math.ceil(share * total);
    for (let bucket = BUCKETS - 1; bucket >= 0; bucket--) {
      const count = this.#buckets[bucket]! - before.#buckets[bucket]!;
      if (count > above) return Math.min(upperEdgeMs(bucket), this.#longest);
      above -= count;
    }
    return 0;
  }
}

const NO_WAITS = new Histogram();

/** Whole microseconds: the place of the highest bit picks the doubling, the three bits below it the step. Integers only: this is a hot path. */
function bucketOf(durationMs: number): number {
  const us = Math.min(durationMs * 1_000, LONGEST_US) | 0;
  if (us < STEPS) return us;
  const doubling = 31 - Math.clz32(us) - STEPS_LOG2;
  return (doubling << STEPS_LOG2) + (us >> doubling);
}

function upperEdgeMs(bucket: number): number {
  if (bucket < STEPS) return (bucket + 1) / 1_000;
  const doubling = (bucket >> STEPS_LOG2) - 1;
  return (((bucket & (STEPS - 1)) + STEPS + 1) * 2 ** doubling) / 1_000;
}
