import { types } from 'node:util';
import type pg from 'pg';
import { abandon, gateOf } from '../gate.js';
import type { PgClient } from '../pgTypes.js';
import { isRenewable } from '../renew.js';
import { leavesNothing } from './leavesNothing.js';

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
