import type pg from 'pg';
import { nextTick } from '../../pool/clock.js';
import { settle } from '../reset.js';

/** Told of the outcome, like the callbacks of `pg`. */
export type Outcome = (error: unknown, result?: unknown) => void;

/** The form of `client.query` that takes anything and calls back. */
interface AnyQuery {
  query(query: unknown, values: unknown, callback: Outcome): void;
}

/** Runs a query of any form on a client, and tells once how it ended. */
export function runQuery(client: pg.ClientBase, query: unknown, values: unknown, tell: Outcome): void {
  let told = false;
  const tellOnce: Outcome = (error, result) => {
    if (told) return;
    told = true;
    tell(error, result);
  };
  try {
    (client as unknown as AnyQuery).query(query, values, tellOnce);
    if (isSubmittable(query)) tellWhenThrough(client, tellOnce);
  } catch (error) {
    tellOnce(error);
  }
}

function isSubmittable(query: unknown): boolean {
  return typeof (query as { submit?: unknown } | null)?.submit === 'function';
}

/** A submittable may never call us: a cursor calls nobody, a query with a callback of its own calls that. The session tells when it is through. */
function tellWhenThrough(client: pg.ClientBase, tell: Outcome): void {
  const { signal: never } = new AbortController();
  settle(client as pg.Client, never).then(() => tell(undefined), tell);
}

/** Calls the app back. What it throws is an uncaught exception, as with pg-pool, and not a promise's rejection. */
export function callBack<A extends unknown[]>(callback: (...args: A) => void, ...args: A): void {
  try {
    callback(...args);
  } catch (error) {
    throwOutside(error);
  }
}

/** Throws where no one can catch it, so that a bug of the app's surfaces and stops nothing of ours. */
export function throwOutside(error: unknown): void {
  nextTick(() => {
    throw error;
  });
}
