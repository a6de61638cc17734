import type { PgQuery } from '../pgTypes.js';
import type { SharedRun } from '../statements/sharedRuns.js';

export type Callback = (error: unknown, result?: unknown) => void;

/** The two results of a read that was sent beside others. One of them is called, once. */
export interface SharedCall {
  answered(error: unknown, result?: unknown): void;
  /** It got no answer, for a reason that is not its own. It only reads, so it may run again. */
  again(): void;
}

/** A query that may be sent beside others. */
export interface Found {
  readonly run: SharedRun;
  readonly values: readonly unknown[];
}

/** The part of an order of answers that the pool uses. */
export interface Watched {
  readonly isEmpty: boolean;
  look(now: number): void;
}

/** The state that the connections of one pool have in common. */
export interface OrderedPool {
  /** Called when a query was sent as the `depth`th on its connection. */
  noteSent(depth: number): void;
  noteWaitedBehind(ms: number): void;
  /** Makes the pool call `look` from time to time, until the order is empty. */
  watch(order: Watched): void;
  /** Delays what is written, to send it with the rest of this turn of the event loop. */
  cork(stream: { cork?(): void; uncork?(): void }): void;
  /** Called when a tool is between the pool and the client: it may change queries, or needs each in the asynchronous context of its caller. */
  noteRewritten(): void;
  /** Called when an answer did not belong to the query whose turn it was. */
  mismatch(what: string): Error;
}

/** The holder that has checked the connection out. */
export interface SharedHold {
  /** Called when queries were answered. Returns whether the connection has no user any more. */
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
  /** When the server began to work on it: nothing is in flight before it. */
  headSince: number;
  bytes: number;
  /** Whether its caller has been called back. */
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

/** Nothing is sent behind a query that has taken this many times its usual time, and at least this long. */
const SLOW_FACTOR = 4;
const SLOW_MS = 2;

export function isSlow({ run, headSince }: InFlight, now: number): boolean {
  return now - headSince > Math.max(SLOW_MS, SLOW_FACTOR * run.known.shortRead!.usualMs);
}

/**
 * Queries behind one that takes this long, and this many times its usual time, are sent again elsewhere. The slow one may wait
 * for a lock that one of their callers holds.
 */
export const OVERDUE_MS = 50;
const OVERDUE_FACTOR = 10;

export function isOverdue({ run, headSince }: InFlight, now: number): boolean {
  return now - headSince >= Math.max(OVERDUE_MS, OVERDUE_FACTOR * run.known.shortRead!.usualMs);
}

/** A message of the server, in the form of `pg`'s parser. */
export interface Message {
  readonly name: string;
  /** Only a row has this. */
  readonly fieldCount?: number;
  /** The number of its bytes. */
  readonly length?: number;
}

/** A tool has rewritten the query between the pool and the client. */
export class RewrittenError extends Error {
  override name = 'RewrittenError';

  constructor() {
    super('The query was not sent in this form, since a tool has rewritten it');
  }
}
