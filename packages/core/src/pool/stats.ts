import type { PoolFigures, SessionStatus } from '../errors.js';
import type { ConnectionKind, RetireReason } from '../lifecycle/connectionState.js';
import { describePolicy } from '../policy/describePolicy.js';
import type { Policy } from '../policy/policy.js';
import type { Connector, StatementStats } from './connector.js';
import type { Counters } from './counters.js';
import type { Slot } from './slot.js';

/** What a pool has done and what it is doing. Counters run since it was made. */
export interface PoolStats extends PoolFigures {
  /** How many pools of this process keep to one limit, this one included: `share` says which. */
  readonly owners: number;
  /** Checkouts. */
  readonly acquired: number;
  /** The share of checkouts served by a connection that had served before, 0 to 1; 0 before the first checkout. */
  readonly reusedShare: number;
  readonly opened: number;
  /** Connects that failed. */
  readonly openFailures: number;
  /** Retired connections, by reason. */
  readonly closed: Readonly<Record<RetireReason, number>>;
  /** Callers whose wait ended without a connection. */
  readonly timeouts: number;
  /** Callers turned away at once: the database is unreachable or refuses us, or too many wait. */
  readonly refused: number;
  readonly checks: { readonly done: number; readonly failed: number };
  /** Transactions that were still open when their connection came back, and were rolled back. */
  readonly rolledBack: number;
  /** How often every connection was called into question: a connection was lost, the server stopped taking writes, or the process stood still. */
  readonly epochs: number;
  /** How long callers waited for a connection, in milliseconds: at most an eighth too long, and a millisecond too short. */
  readonly waitMs: { readonly p50: number; readonly p90: number; readonly p99: number; readonly max: number };
  /** Prepared statements. Absent where the connector keeps none. */
  readonly statements?: StatementStats;
  /** Each setting, and where its value came from. */
  readonly policy: ReturnType<typeof describePolicy>;
}

/** One connection, as `connections()` lists it. */
export interface ConnectionInfo {
  /** Backend process ID, where the driver knows it. */
  readonly processId: number | undefined;
  readonly state: ConnectionKind;
  /** Since it was opened, in milliseconds; 0 while it is opening. */
  readonly ageMs: number;
  /** Since it last came back, in milliseconds; 0 unless it is idle. */
  readonly idleMs: number;
  /** Since it was checked out, in milliseconds; 0 unless it is used. */
  readonly heldMs: number;
  readonly uses: number;
  readonly checks: number;
  readonly status: SessionStatus;
}

export function takeStats(
  figures: PoolFigures,
  counters: Counters,
  policy: Policy,
  { owners, statements }: Pick<PoolStats, 'owners'> & { readonly statements: StatementStats | undefined },
): PoolStats {
  const { acquired, reused, opened, openFailures, timeouts, refused, rolledBack, epochs, waits } = counters;
  return {
    ...figures,
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
    ...(statements && { statements }),
    policy: describePolicy(policy),
  };
}

export function describeConnection<C extends object>(
  slot: Slot<C>,
  connector: Connector<C>,
  now: number,
): ConnectionInfo {
  const { connection, kind, bornAt, idleSince, takenAt, uses, checks } = slot;
  const isOpening = kind === 'opening';
  return {
    processId: isOpening ? undefined : connector.processId?.(connection),
    state: kind,
    ageMs: isOpening ? 0 : now - bornAt,
    idleMs: kind === 'idle' ? now - idleSince : 0,
    heldMs: kind === 'used' ? now - takenAt : 0,
    uses,
    checks,
    status: (isOpening ? undefined : connector.transactionStatus?.(connection)) ?? 'unknown',
  };
}
