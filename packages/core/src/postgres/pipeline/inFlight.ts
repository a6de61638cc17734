import type { PgQuery } from '../pgTypes.js';
import type { SharedRun } from '../statements/sharedRuns.js';

export type Callback = (error: unknown, result?: unknown) => void;

/** What becomes of a read that was sent beside others: one of the two is called, once. */
export interface SharedCall {
  answered(error: unknown, result?: unknown): void;
  /** It got no answer for a reason that is not its own. It only reads, so it may be run again. */
  again(): void;
}

/** A query that may be sent beside others. */
export interface Found {
  readonly run: SharedRun;
  readonly values: readonly unknown[];
}

/** An order of answers, as the pool sees it. */
export interface Watched {
  readonly isEmpty: boolean;
  look(now: number): void;
}

/** What the connections of one pool have in common. */
export interface OrderedPool {
  /** A query was sent as the `depth`th on its connection. */
  noteSent(depth: number): void;
  noteWaitedBehind(ms: number): void;
  /** From now on the pool calls `look` from time to time, until the order is empty. */
  watch(order: Watched): void;
  /** Holds back what is written, to send it with what else is written in this turn of the event loop. */
  cork(stream: { cork?(): void; uncork?(): void }): void;
  /** A tool is between the pool and the client: it may change queries, or needs each in the asynchronous context of its caller. */
  noteRewritten(): void;
  /** An answer did not belong to the query in whose turn it came. */
  mismatch(what: string): Error;
}

/** Who has checked the connection out. */
export interface SharedHold {
  /** Queries were answered. Returns whether nobody uses the connection any more. */
  left(queries: number): boolean;
  release(error?: unknown): void;
}

/** A query in flight. */
export interface InFlight {
  readonly call: SharedCall;
  readonly run: SharedRun;
  /** Its parameters, which were found to be fit. */
  readonly values: readonly unknown[];
  readonly sentAt: number;
  query: PgQuery | undefined;
  /** `sent` → `bound` → `complete`, or `failed` from any; `unsent` before. ReadyForQuery ends it. */
  phase: 'unsent' | 'sent' | 'bound' | 'complete' | 'failed';
  wasBound: boolean;
  /** Since when the server has worked on it: nothing is in flight before it. */
  headSince: number;
  bytes: number;
  /** Its caller has been called back. */
  isSettled: boolean;
}

export function unsent({ run, values }: Found, call: SharedCall, now: number): InFlight {
  return {
    call,
    run,
    values,
    sentAt: now,
    query: undefined,
    phase: 'unsent',
    wasBound: false,
    headSince: now,
    bytes: 0,
    isSettled: false,
  };
}

/** A message of the server, as the parser of `pg` has it. */
export interface Message {
  readonly name: string;
  /** Of a row. */
  readonly fieldCount?: number;
  /** Its bytes. */
  readonly length?: number;
}

/** A tool has rewritten the query between the pool and the client. */
export class RewrittenError extends Error {
  override name = 'RewrittenError';

  constructor() {
    super('The query was not sent in this form, since a tool has rewritten it');
  }
}
