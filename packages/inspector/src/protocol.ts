import type { ConnectionInfo, PoolFigures, PoolStats } from '@tenure/core';

/** The answer to each poll. Every `t` is in whole milliseconds since the recording began. */
export interface Update {
  /** The next poll sends it, and gets only what is new since then. */
  readonly cursor: string;
  /** Whether the page must drop what it has: the recording is new because no page polled for a while, or the page shows another pool now. */
  readonly isNew: boolean;
  readonly t: number;
  /** When the recording began, in milliseconds since 1970. */
  readonly startedAt: number;
  readonly pools: readonly PoolSummary[];
  /** The number of pools that are not recorded, because there are too many. */
  readonly unrecorded: number;
  /** The pool that the poll named, or else the first; `null` without a pool. */
  readonly pool: PoolUpdate | null;
}

export interface PoolSummary {
  readonly id: number;
  readonly name: string;
  readonly figures: PoolFigures;
}

export interface PoolUpdate {
  readonly id: number;
  readonly stats: Omit<PoolStats, 'policy'>;
  /** Sent only when it is new to the reader. */
  readonly policy?: PoolStats['policy'];
  readonly figures: readonly FigureSample[];
  readonly rates: readonly RateSample[];
  readonly lanes: readonly LaneUpdate[];
  /** At most 200, without stacks. */
  readonly connections: readonly ConnectionInfo[];
  /** Those held for a second or longer, longest first, at most 20. */
  readonly holders: readonly ConnectionInfo[];
  readonly log: readonly LogEntry[];
}

/** The figures of one moment, four times a second. */
export interface FigureSample {
  readonly t: number;
  readonly used: number;
  readonly idle: number;
  /** Connections that are being opened, checked, reset or closed. */
  readonly busy: number;
  readonly waiting: number;
  /** The most connections that the pool may have now. */
  readonly max: number;
}

/** The counts of the time since the sample before, once a second. */
export interface RateSample {
  readonly t: number;
  readonly forMs: number;
  readonly acquired: number;
  readonly opened: number;
  /** Quantiles of the waits, in milliseconds; `null` without a checkout. */
  readonly waits: { readonly p50: number; readonly p90: number; readonly p99: number } | null;
}

/**
 * The phase of a connection from a moment on: o opening, i idle, u used by one caller after another, h held by one caller, c
 * being checked, r being reset, x closing.
 */
export type Phase = 'o' | 'i' | 'u' | 'h' | 'c' | 'r' | 'x';

/** One connection's life, with its new phases and marks. */
export interface LaneUpdate {
  readonly id: number;
  readonly pid?: number;
  readonly born: number;
  readonly uses: number;
  readonly checks: number;
  readonly resets: number;
  readonly end?: { readonly t: number; readonly reason: string };
  readonly phases: readonly (readonly [t: number, phase: Phase])[];
  /** c a check, r a reset */
  readonly marks: readonly (readonly [t: number, mark: 'c' | 'r'])[];
}

/** An event of the pool. */
export interface LogEntry {
  readonly t: number;
  readonly kind: 'closed' | 'failed' | 'rollback' | 'warning';
  readonly text: string;
}
