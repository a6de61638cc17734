import type { ResetMode, ResetResult } from '../pool/connector.js';
import { type FinishOptions, finish } from './abandoned.js';
import type { PgClient } from './pgTypes.js';
import { roundTrip, unlessAborted } from './roundTrip.js';
import { settle } from './settle.js';
import { environmentOf } from './statements/environment.js';
import { transactionStatus } from './status.js';

/** The app's own preparation of a session: settings, search path, temporary tables. */
export type SetUp<C> = (client: C) => unknown;

/**
 * `DISCARD ALL` without `DEALLOCATE ALL` and `DISCARD PLANS`, so that prepared statements stay. Sent as one query, which `DISCARD ALL` itself
 * could not be part of. Settings go back to what they were when the session began, startup options and `ALTER ROLE … SET` included.
 *
 * `RESET ALL` leaves the role alone, and on older servers `SET SESSION AUTHORIZATION DEFAULT` forgets the role that a session began with
 * (npgsql#5997): hence `RESET ROLE`, and only after it.
 */
export const CLEAR_SESSION = [
  'CLOSE ALL',
  'SET SESSION AUTHORIZATION DEFAULT',
  'RESET ROLE',
  'RESET ALL',
  'UNLISTEN *',
  'SELECT pg_advisory_unlock_all()',
  'DISCARD TEMP',
  'DISCARD SEQUENCES',
];

/** What a reset needs of the app. */
export interface ResetOptions<C> extends FinishOptions {
  readonly setUp?: SetUp<C> | undefined;
}

/** Makes a returned session ready for its next borrower, and ends what it is busy with; rejects when it cannot be used again. */
export async function reset<C extends PgClient>(
  client: C,
  mode: ResetMode,
  signal: AbortSignal,
  options: ResetOptions<C> = {},
): Promise<ResetResult> {
  await finish(client, signal, options);
  if (mode === 'settle') return { rolledBack: false };
  const status = transactionStatus(client);
  const environment = mode === 'session' ? environmentOf(client) : undefined;
  environment?.clearing();
  const statements = [
    // Where nobody can tell whether a transaction is open, a needless ROLLBACK only earns a warning.
    ...(status === 'idle' ? [] : ['ROLLBACK']),
    ...(mode === 'session' ? CLEAR_SESSION : []),
  ];
  if (statements.length > 0) {
    await roundTrip(client, statements.join('; '), signal);
    await untilIdle(client, signal);
  }
  environment?.settingUp();
  if (mode === 'session' && options.setUp) await runSetUp(client, options.setUp, signal);
  environment?.restored();
  return { rolledBack: status === 'transaction' || status === 'failed-transaction' };
}

/** Runs the app's set-up; a session that it leaves inside a transaction is refused. */
export async function runSetUp<C extends PgClient>(client: C, setUp: SetUp<C>, signal: AbortSignal): Promise<void> {
  await unlessAborted(Promise.resolve(setUp(client)), signal);
  await untilIdle(client, signal);
}

async function untilIdle(client: PgClient, signal: AbortSignal): Promise<void> {
  await settle(client, signal);
  const status = transactionStatus(client);
  if (status !== 'idle' && status !== 'unknown') throw new Error(`The session is not ready: its status is "${status}"`);
}
