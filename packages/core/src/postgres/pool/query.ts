import { types } from 'node:util';
import type pg from 'pg';
import { nextTick } from '../../pool/clock.js';
import { sharesSessions } from '../../pool/connector.js';
import type { PgConnection } from '../connection.js';
import { settle } from '../reset.js';
import { words } from '../statements/functions.js';
import { canBeTakenOver } from '../takeOver.js';

/** A callback in the form of `pg`. */
export type Outcome = (error: unknown, result?: unknown) => void;

/** The form of `client.query` that takes any query and calls back. */
interface AnyQuery {
  query(query: unknown, values: unknown, callback: Outcome): void;
}

/** Runs a query of any form on a client, and calls back once with its outcome. */
export function runQuery(client: pg.ClientBase, query: unknown, values: unknown, callback: Outcome): void {
  let isOver = false;
  const once: Outcome = (error, result) => {
    if (isOver) return;
    isOver = true;
    callback(error, result);
  };
  try {
    (client as AnyQuery).query(query, values, once);
    if (isSubmittable(query)) callBackWhenSettled(client, once);
  } catch (error) {
    once(error);
  }
}

/** Sends a query of the pool's own on a shared client. Its holder before the sharing may still have it, and be refused. */
export function sendAsPool(
  { client, borrower }: PgConnection,
  query: unknown,
  values: unknown,
  callback: Outcome,
): void {
  const { isRefused } = borrower;
  borrower.isRefused = false;
  runQuery(client as pg.Client, query, values, callback);
  borrower.isRefused = isRefused;
}

function isSubmittable(query: unknown): boolean {
  return typeof (query as { submit?: unknown } | null)?.submit === 'function';
}

/**
 * Calls back when the session is ready again. A submittable may never call back: a cursor has no callback, and a query with a
 * callback of its own calls that one.
 */
function callBackWhenSettled(client: pg.ClientBase, callback: Outcome): void {
  const { signal: never } = new AbortController();
  settle(client as pg.Client, never).then(() => callback(undefined), callback);
}

/** Calls the app back. An error of the callback is an uncaught exception, as with pg-pool, not a promise's rejection. */
export function callBack<A extends unknown[]>(callback: (...args: A) => void, ...args: A): void {
  try {
    callback(...args);
  } catch (error) {
    throwOutside(error);
  }
}

/** Throws outside of all callers: a bug of the app becomes an uncaught exception, and does not interrupt the pool. */
export function throwOutside(error: unknown): void {
  nextTick(() => {
    throw error;
  });
}

/**
 * Notes how a query of the pool's own method ended. After an error of the client, such as a value that cannot be sent or a time
 * limit, no caller waits any more for what may be in flight.
 */
export function noteOutcome({ borrower }: PgConnection, error: unknown): void {
  borrower.isPoolQuery = true;
  if (!isError(error) || borrower.serverErrors.has(error)) return;
  borrower.serverErrors.add(error);
  borrower.abandon();
}

/**
 * What to do with a client that was released with an error. `pg` documents such an error as the end of the session. An error of
 * one of the client's own statements need not close the connection: if the statement can have left nothing on its session, the
 * client stays (`keep`); otherwise the session can be cleared for a new client (`renew`).
 */
export function fateAfterError({ borrower, client, pooler }: PgConnection, error: unknown): 'keep' | 'renew' | 'close' {
  if (!isError(error) || !borrower.serverErrors.has(error)) return 'close';
  if (borrower.queries === 1 && leavesNothing(borrower.firstQuery)) return 'keep';
  const isOwnSession = !sharesSessions(pooler?.kind);
  return isOwnSession && !borrower.hasOwnSettings && canBeTakenOver(client) ? 'renew' : 'close';
}

/** True also for an error of another realm, such as a test runner's. */
export function isError(error: unknown): error is Error {
  return error instanceof Error || types.isNativeError(error);
}

/** Parts of a text without calls: comments, literals, parameters. */
const INERT = /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|\$\d+/g;

/** Reads and writes of tables. Other statements may change the session: SET, LISTEN, PREPARE, a block that commits. */
const PLAIN = /^\s*(?:select|insert|update|delete|merge|with|values|table)\b/i;

/** A name before a list of columns. */
const NAMED_LIST = /\b(?:into|with|recursive|as)\s+[\w."]+\s*\(/gi;

const CALL = /([\w.]+|"[^"]*")\s*\(/g;

/** Keywords that may precede a parenthesis, and functions of the server that leave nothing. */
const HARMLESS = words(`
  values in and or not on using any some all exists from where select as materialized over filter by when then else case set returning
   conflict having limit offset union except intersect distinct lateral join array row within group between like ilike is update
   numeric decimal varchar char character timestamp timestamptz time interval bit
   count sum avg min max coalesce nullif greatest least lower upper length trim substring concat replace abs round floor ceil
   now date_trunc extract to_char cast row_number rank unnest generate_series gen_random_uuid random current_setting
   array_agg json_agg jsonb_agg json_build_object jsonb_build_object to_json to_jsonb
   pg_sleep pg_backend_pid pg_terminate_backend
`);

/**
 * Whether this query leaves nothing on its session, whether it succeeds or fails: one statement that reads or writes tables, and
 * calls only known functions. If that is uncertain, the answer is no.
 *
 * A failed statement is rolled back whole, including settings and temporary tables. Two things can be left: an advisory lock of
 * the session, and what a block or function has committed or prepared by itself. A trigger that takes such a lock is not noticed
 * here.
 */
export function leavesNothing(query: unknown): boolean {
  const { text = query, submit } = Object(query) as { text?: unknown; submit?: unknown };
  // A backslash may hide the end of a literal.
  if (typeof text !== 'string' || submit !== undefined || text.includes('\\')) return false;
  const code = text.replace(INERT, ' ');
  const isOne = PLAIN.test(code) && !/\$|;\s*\S/.test(code);
  // `select … into` makes a table.
  const makesTable = /\binto\b/i.test(code) && !/\b(?:insert|merge)\b/i.test(code);
  const calls = [...code.replace(NAMED_LIST, '= (').matchAll(CALL)];
  return isOne && !makesTable && calls.every(([, name = '']) => HARMLESS.has(name.toLowerCase()));
}
