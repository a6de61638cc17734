import type pg from 'pg';
import { nextTick } from '../../pool/clock.js';
import { settle } from '../reset.js';

/** A callback as those of `pg`. */
export type Outcome = (error: unknown, result?: unknown) => void;

/** The form of `client.query` that takes anything and calls back. */
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

function isSubmittable(query: unknown): boolean {
  return typeof (query as { submit?: unknown } | null)?.submit === 'function';
}

/** A submittable may never call back: a cursor has no callback, a query with a callback of its own calls that one. The session settles. */
function callBackWhenSettled(client: pg.ClientBase, callback: Outcome): void {
  const { signal: never } = new AbortController();
  settle(client as pg.Client, never).then(() => callback(undefined), callback);
}

/** Calls the app back. What it throws is an uncaught exception, as with pg-pool, and not a promise's rejection. */
export function callBack<A extends unknown[]>(callback: (...args: A) => void, ...args: A): void {
  try {
    callback(...args);
  } catch (error) {
    throwOutside(error);
  }
}

/** Throws where nobody can catch it: a bug of the app surfaces as an uncaught exception, and interrupts nothing of Tenure's. */
export function throwOutside(error: unknown): void {
  nextTick(() => {
    throw error;
  });
}
