import { types } from 'node:util';
import type pg from 'pg';
import { abandon, gateOf } from '../gate.js';
import type { PgClient } from '../pgTypes.js';
import { isRenewable } from '../renew.js';

/**
 * Notes how a query of the pool's own method ended. An error is the client's, although it may not be the server's: a value that cannot be
 * sent, a time limit. Then nobody waits any more for what may be under way.
 */
export function answered(client: pg.PoolClient, error: unknown): void {
  const gate = gateOf(client);
  gate.isPoolQuery = true;
  if (!isError(error) || gate.answers.has(error)) return;
  gate.answers.add(error);
  abandon(client);
}

/**
 * Whether a client that comes back with an error can serve again. `pg` documents such an error as the end of the session. The answer to one
 * of the client's own statements need not cost the connection: nothing can be left of that statement on its session, or the session can be
 * cleared, which is then asked for.
 */
export function mayKeep(client: pg.PoolClient, error: unknown): boolean {
  const gate = gateOf(client);
  if (!isError(error) || !gate.answers.has(error)) return false;
  if (gate.queries === 1 && leavesNothing(gate.first)) return true;
  gate.isSpent = !gate.hasOwnSettings && isRenewable(client as unknown as PgClient);
  return gate.isSpent;
}

/** Also one from another realm, such as a test runner's. */
export function isError(error: unknown): error is Error {
  return error instanceof Error || types.isNativeError(error);
}

/** What calls nothing: comments, literals, parameters. */
const INERT = /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|\$\d+/g;

/** Reads and writes of tables. All else may change the session: SET, LISTEN, PREPARE, a block that commits. */
const PLAIN = /^\s*(?:select|insert|update|delete|merge|with|values|table)\b/i;

/** A name that stands before a list of columns. */
const NAMED_LIST = /\b(?:into|with|recursive|as)\s+[\w."]+\s*\(/gi;

const CALL = /([\w.]+|"[^"]*")\s*\(/g;

/** What stands before a parenthesis and is no call, and functions of the server that every app calls. */
const HARMLESS = new Set(
  `values in and or not on using any some all exists from where select as materialized over filter by when then else case set returning
   conflict having limit offset union except intersect distinct lateral join array row within group between like ilike is update
   numeric decimal varchar char character timestamp timestamptz time interval bit
   count sum avg min max coalesce nullif greatest least lower upper length trim substring concat replace abs round floor ceil
   now date_trunc extract to_char cast row_number rank unnest generate_series gen_random_uuid random current_setting
   array_agg json_agg jsonb_agg json_build_object jsonb_build_object to_json to_jsonb
   pg_sleep pg_backend_pid pg_terminate_backend`.split(/\s+/),
);

/**
 * Whether nothing of this query can be left on its session, be it answered or failed: one statement that reads or writes tables, and calls
 * no function but a few that are known. What cannot be told counts as left.
 *
 * A failed statement is rolled back whole, settings and temporary tables included. What stays is an advisory lock of the session, and what a
 * block or function has committed or prepared by itself. A trigger that takes such a lock is not seen here.
 */
export function leavesNothing(query: unknown): boolean {
  const { text = query, submit } = Object(query) as { text?: unknown; submit?: unknown };
  // A backslash may hide the end of a literal.
  if (typeof text !== 'string' || submit !== undefined || text.includes('\\')) return false;
  const words = text.replace(INERT, ' ');
  const isOne = PLAIN.test(words) && !/\$|;\s*\S/.test(words);
  // `select … into` makes a table.
  const makesTable = /\binto\b/i.test(words) && !/\b(?:insert|merge)\b/i.test(words);
  const calls = [...words.replace(NAMED_LIST, '= (').matchAll(CALL)];
  return isOne && !makesTable && calls.every(([, name = '']) => HARMLESS.has(name.toLowerCase()));
}
