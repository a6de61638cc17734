import type { PostgresServer } from '../../support/postgres.js';

/** A role for `LEFTOVERS` to take. */
export async function grantRole(postgres: PostgresServer): Promise<void> {
  await postgres.admin('create role guest; grant guest to app');
}

/** One of everything that a borrower may leave on a session. */
export const LEFTOVERS = `
  set statement_timeout = '7s';
  set search_path = elsewhere;
  create temporary table left_behind ();
  listen news;
  select pg_advisory_lock(4711);
  set role guest`;

/** The leftovers that the session has. */
export async function leftovers(query: (sql: string) => Promise<Record<string, unknown>[]>): Promise<unknown> {
  const [row] = await query(`
    select current_setting('statement_timeout') as timeout, current_setting('search_path') as path, current_user as role,
      to_regclass('pg_temp.left_behind') as "table", array(select pg_listening_channels()) as listens,
      (select count(*)::int from pg_locks where locktype = 'advisory') as locks`);
  return row;
}

/** The result for a session without leftovers. */
export const clearedAfter = ({ user }: Pick<PostgresServer, 'user'>) => ({
  timeout: '0',
  path: '"$user", public',
  role: user,
  table: null,
  listens: [],
  locks: 0,
});
