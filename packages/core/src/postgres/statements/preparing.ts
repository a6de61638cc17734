import type { UnpreparedReason } from '../../pool/connector.js';

/** What the connections of one pool have in common. */
export interface Preparing {
  /** While this is false nothing is prepared. It does not become true again. */
  readonly isOn: boolean;
  /** Statements are prepared behind a pooler in transaction mode as well. */
  readonly isWanted: boolean;
  readonly preparesWrites: boolean;
  /** How often a text must be run, and how many statements a connection keeps. */
  readonly threshold: number;
  readonly limit: number;
  readonly counts: StatementCounts;
  /** Reads may be sent on connections that others use: it is measured which are short. */
  readonly sharesReads: boolean;
  /** A statement that was prepared on a connection is missing there: its session has changed. */
  noteMissing(): void;
  /** Prepared runs of this text are slower than unprepared ones. */
  noteSlower(text: string): void;
}

export interface StatementCounts {
  hits: number;
  prepared: number;
  evicted: number;
  invalidated: number;
  readonly unprepared: Partial<Record<UnpreparedReason, number>>;
}
