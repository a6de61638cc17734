import type { UnpreparedReason } from '../../pool/connector.js';

/** The state that the connections of one pool have in common. */
export interface Preparing {
  /** While this is false nothing is prepared. It does not become true again. */
  readonly isOn: boolean;
  /** Whether statements are prepared even behind a pooler in transaction mode. */
  readonly isWanted: boolean;
  readonly preparesWrites: boolean;
  /** How often a text must run before it is prepared. */
  readonly threshold: number;
  readonly limit: number;
  readonly counts: StatementCounts;
  /** Whether reads may share connections: the short ones are then measured. */
  readonly sharesReads: boolean;
  /** Called when a statement is missing on the connection that prepared it: its session has changed. */
  noteMissing(): void;
  /** Called when prepared runs of this text are slower than unprepared ones. */
  noteSlower(text: string): void;
}

export interface StatementCounts {
  hits: number;
  prepared: number;
  evicted: number;
  invalidated: number;
  readonly unprepared: Partial<Record<UnpreparedReason, number>>;
}
