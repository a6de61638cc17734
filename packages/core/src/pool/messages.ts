import {
  type Holder,
  type PoolFigures,
  TenureClosedError,
  TenureConnectError,
  TenureTimeoutError,
  TenureTooManyWaitingError,
  TenureUnreachableError,
} from '../errors.js';
import type { ConnectFailures } from '../lifecycle/backoff.js';
import type { BudgetStats } from './slotLocks.js';

/** A condition that a person should look at, although nothing has failed yet. */
export interface PoolWarning {
  readonly code:
    | 'TENURE_BUDGET_GUEST'
    | 'TENURE_BUDGET_OFF'
    | 'TENURE_LEAK'
    | 'TENURE_IDLE_IN_TRANSACTION'
    | 'TENURE_NOT_CONNECTED'
    | 'TENURE_NOT_REUSED'
    | 'TENURE_PIPELINE_MISMATCH'
    | 'TENURE_POOLER'
    | 'TENURE_ROLLED_BACK'
    | 'TENURE_STATEMENT_SLOWER';
  readonly message: string;
  /** The connections that it is about; absent if it is about the pool. */
  readonly holders?: readonly Holder[];
}

/** The facts for an error or a warning about the pool. */
export interface Situation {
  readonly figures: PoolFigures;
  /** The holders of connections, oldest first. */
  readonly holders: readonly Holder[];
  readonly failures: ConnectFailures | undefined;
  /** Connections of other pools with the same limit. */
  readonly elsewhere: number;
  /** Why the fleet grants this pool no more connections, if the budget keeps it from opening them. */
  readonly shortage: string | undefined;
}

/** How many holders a message names. The error has all of them. */
const HOLDERS_NAMED = 3;

/** The error of a caller who has waited to the deadline: the pool is full, or the database is unreachable. */
export function acquireTimedOut(waitedMs: number, situation: Situation): TenureTimeoutError | TenureUnreachableError {
  const { figures, holders, failures } = situation;
  if (failures && isEmpty(figures)) return unreachable(waitedMs, figures, failures);
  const message =
    `No connection came free within ${Math.round(waitedMs)} ms: ${summary(figures)}.` +
    `${whoElseHasSome(situation)}${situation.shortage ?? ''}${whoHoldsThem(holders)}${adviceFor(situation)}${lastConnect(figures, failures)}`;
  return new TenureTimeoutError(message, figures, waitedMs, holders, failures && { cause: failures.error });
}

/** The error for a server that cannot be reached, or has no free slot. */
function unreachable(waitedMs: number, figures: PoolFigures, failures: ConnectFailures): TenureUnreachableError {
  const what = failures.kind === 'full' ? 'The server has no free slot' : 'The database is unreachable';
  const advice =
    failures.kind === 'full'
      ? ' Keep processes × MAX_CONNS below max_connections; npx @tenure/doctor shows who has the slots.'
      : '';
  const attempts = failures.count === 1 ? 'one attempt' : `${failures.count} attempts`;
  const message =
    `${what}: ${attempts} to connect failed, the last with: ${messageOf(failures.error)} ` +
    `(waited ${Math.round(waitedMs)} ms; ${summary(figures)}).${advice}`;
  return new TenureUnreachableError(message, figures, waitedMs, { cause: failures.error });
}

/** The error for connects that fail for good: the server refuses this client, or has been away for longer than the caller would wait. */
export function connectRefused(waitedMs: number, figures: PoolFigures, failures: ConnectFailures): Error {
  const isRefused = failures.kind === 'permanent' || failures.kind === 'login';
  return isRefused ? refusedByServer(figures, failures) : unreachable(waitedMs, figures, failures);
}

function refusedByServer(figures: PoolFigures, failures: ConnectFailures): TenureConnectError {
  const message = `The server refuses this client: ${messageOf(failures.error)}`;
  return new TenureConnectError(message, figures, { cause: failures.error });
}

/** The warning of a pool that has tried for a while and has no connection yet. */
export function neverConnected(forMs: number, failures: ConnectFailures | undefined): string {
  const met = failures
    ? `The last attempt failed with: ${messageOf(failures.error)}.`
    : 'No attempt has been answered, and none has failed.';
  return `The pool has not connected to the database yet, after ${Math.round(forMs)} ms. ${met} It goes on trying. Is the server running, and are host, port and database right?`;
}

export function tooManyWaiting(figures: PoolFigures, maxWaiting: number): TenureTooManyWaitingError {
  const message = `Refused: ${maxWaiting} callers wait already, the limit maxWaiting (CONN_MAX_WAITING): ${summary(figures)}.`;
  return new TenureTooManyWaitingError(message, figures);
}

export function poolClosed(figures: PoolFigures): TenureClosedError {
  return new TenureClosedError(
    'The pool is closing or closed, and lends no connections. Stop the work that uses it before you close it.',
    figures,
  );
}

/** A sentence about the budget that keeps a pool from opening connections, for the error of a caller that waited for one. */
export function budgetShortage({ limit, slots, guests }: BudgetStats, isStrict: boolean): string {
  const held = guests > 0 ? 'none of them, and one connection beside them' : `${slots} of them`;
  const strict =
    isStrict && slots + guests === 0
      ? ' With CONN_BUDGET_STRICT a process without a slot opens no connection at all.'
      : '';
  return ` The budget of all processes is used up: CONN_BUDGET allows ${limit} connections, and this pool has ${held}.${strict}`;
}

/** The warning about a connection that the budget does not count. */
export function guestWarning(limit: number): string {
  return (
    `There are more processes than CONN_BUDGET has slots (${limit}), or the others hold them all: this one has opened one connection above ` +
    'the budget. CONN_BUDGET_STRICT=true makes its callers wait for a slot instead.'
  );
}

/** The warning about a budget that is set, and cannot hold. */
export function budgetOff(reason: string): string {
  return (
    `CONN_BUDGET is off: ${reason}. Each process keeps to its own MAX_CONNS only. ` +
    'A limit on the server (ALTER ROLE … CONNECTION LIMIT) or in the pooler bounds all processes.'
  );
}

/**
 * Whether all holders are in a transaction, none has a query in flight, and callers wait. Most often a query inside a transaction
 * was sent through the pool, and waits for a connection that its own transaction holds.
 */
export function isStuckInTransactions({ holders, figures, failures }: Situation): boolean {
  const mayGrow = holders.length < figures.max && failures === undefined;
  return (
    holders.length > 0 &&
    !mayGrow &&
    figures.idle + figures.busy === 0 &&
    holders.every(({ status }) => status === 'transaction' || status === 'failed-transaction')
  );
}

/** The end of the message when all holders are in a transaction. An adapter adds the words that its users know. */
export const STUCK_QUESTION = 'Does a query inside a transaction go through the pool instead of the transaction?';

export function stuckInTransactions({ holders, figures }: Situation): string {
  const held =
    holders.length === 1
      ? 'The only connection is held by a transaction'
      : `All ${holders.length} connections are held by transactions`;
  const waiting = figures.waiting === 1 ? 'one caller waits' : `${figures.waiting} callers wait`;
  return `${held} with no query in flight while ${waiting}. ${STUCK_QUESTION}`;
}

export function leakMessage(holder: Holder, leakAfterMs: number): string {
  return `A connection has been held for longer than CONN_LEAK_THRESHOLD (${leakAfterMs} ms): ${describeHolder(holder)}${ranLast(holder)}${takenAt(holder) || '.'}`;
}

function summary({ used, idle, opening, busy, waiting, max }: PoolFigures): string {
  const others = busy > 0 ? `, ${busy} being checked or closed` : '';
  return `${used} used, ${idle} idle, ${opening} opening${others} of at most ${max}; ${waiting} waiting`;
}

function whoElseHasSome({ elsewhere, figures }: Situation): string {
  if (elsewhere === 0) return '';
  return ` Other pools have ${elsewhere} of the ${figures.max}: pools made at the same place share this limit (CONN_SHARE=none gives each its own).`;
}

function whoHoldsThem(holders: readonly Holder[]): string {
  if (holders.length === 0) return '';
  const named = holders.slice(0, HOLDERS_NAMED).map((holder) => `\n  ${describeHolder(holder)}${takenAt(holder)}`);
  const more = holders.length - named.length;
  return ` The oldest holders:${named.join('')}${more > 0 ? `\n  and ${more} more` : ''}\n`;
}

const STATUS_IN_WORDS: Record<Holder['status'], string> = {
  idle: 'no transaction, no query in flight',
  active: 'a query in flight',
  transaction: 'in a transaction, no query in flight',
  'failed-transaction': 'in a failed transaction, no query in flight',
  unknown: 'status unknown',
};

function describeHolder({ processId, heldMs, status }: Holder): string {
  const backend = processId === undefined ? 'a connection' : `backend ${processId}`;
  return `${backend}, held for ${Math.round(heldMs)} ms, ${STATUS_IN_WORDS[status]}`;
}

const LONGEST_STATEMENT = 200;

function ranLast({ lastStatement }: Holder): string {
  if (lastStatement === undefined) return '';
  const isLong = lastStatement.length > LONGEST_STATEMENT;
  return `, last ran: ${isLong ? `${lastStatement.slice(0, LONGEST_STATEMENT)}…` : lastStatement}`;
}

function takenAt({ stack }: Holder): string {
  return stack === undefined ? '' : `, taken at\n${stack}`;
}

function adviceFor(situation: Situation): string {
  if (isStuckInTransactions(situation)) return stuckInTransactions(situation);
  const { used, max } = situation.figures;
  if (used + situation.elsewhere < max) return '';
  return 'All are in use. CONN_LEAK_THRESHOLD=30s shows where those were taken that are held for long; a load that needs more needs a higher MAX_CONNS.';
}

function isEmpty({ used, idle, busy }: PoolFigures): boolean {
  return used + idle + busy === 0;
}

function lastConnect({ used, opening }: PoolFigures, failures: ConnectFailures | undefined): string {
  if (failures) return ` The last attempt to connect failed with: ${messageOf(failures.error)}.`;
  return used === 0 && opening > 0 ? ' The database has not answered an attempt to connect yet.' : '';
}

/** Node reports a host with several addresses as an AggregateError with an empty message. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
