import type { UnpreparedReason } from '../../pool/connector.js';
import type { Route } from './schemaCheck.js';

/** What the connections of one pool have in common. */
export interface Preparing {
  /** While this is false nothing is prepared. It does not become true again. */
  readonly isOn: boolean;
  /** Statements are prepared behind a pooler as well. */
  readonly isWanted: boolean;
  readonly preparesWrites: boolean;
  /** How often a text must be run, and how many statements a connection keeps. */
  readonly threshold: number;
  readonly limit: number;
  readonly counts: StatementCounts;
  /** Reads may be sent on connections that others use: it is measured which are short. */
  readonly sharesReads: boolean;
  /** Whether a connection leads to a pooler is known; `proven`: a statement that was prepared on it is missing, so its session has changed. */
  noteRoute(route: Route | 'proven'): void;
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
