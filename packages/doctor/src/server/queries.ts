/** All queries of the doctor. docs/doctor.md prints those that findings rest on. */

/**
 * One query, in a transaction of its own that can write nothing and waits 0.5 s for a lock at most. The settings are local to it: behind a pooler, others would
 * otherwise stay on a backend that the next client gets. The search path is set, because a function of the same name, made by the owner of the
 * database, would otherwise run with the rights of the doctor's role.
 *
 * @param versionNumber in the form of `server_version_num`; 0 if it is not known yet
 */
export function readOnly(question: string, versionNumber: number): string {
  // Reads the counters of this moment. PostgreSQL 14 lacks the setting, but reads them anew in each transaction.
  const fresh = versionNumber >= 150_000 ? 'set local stats_fetch_consistency = none;' : '';
  return `begin read only; set local search_path = pg_catalog; set local statement_timeout = '2s'; set local lock_timeout = '500ms'; ${fresh} ${question}; commit`;
}

export const VERSION = `select current_setting('server_version_num')::int`;

/** Facts that do not change within a window. */
export const SERVER = `
  select json_build_object(
    'version', current_setting('server_version'),
    'versionNumber', current_setting('server_version_num')::int,
    'database', current_database(),
    'role', current_user,
    'superuser', (select rolsuper from pg_roles where rolname = current_user),
    'readsAllStats', pg_has_role(current_user, 'pg_read_all_stats', 'usage'),
    'standby', pg_is_in_recovery(),
    'backend', pg_backend_pid(),
    'maxConnections', current_setting('max_connections')::int,
    'reservedConnections', current_setting('superuser_reserved_connections')::int
      + coalesce(current_setting('reserved_connections', true), '0')::int,
    'roleLimits', coalesce((select json_object_agg(rolname, rolconnlimit)
      from pg_roles where rolconnlimit >= 0 and rolcanlogin and not rolsuper), '{}'),
    'databaseLimits', coalesce((select json_object_agg(datname, datconnlimit)
      from pg_database where datconnlimit >= 0), '{}'),
    'tcpKeepalivesIdleSeconds', current_setting('tcp_keepalives_idle')::int,
    'used', (select count(*) from pg_stat_activity where backend_type = 'client backend'),
    'plansFrom', (select quote_ident(nspname) from pg_extension join pg_namespace on pg_namespace.oid = extnamespace
      where extname = 'pg_stat_statements' and current_setting('pg_stat_statements.track_planning', true) = 'on')
  )`;

/** Names by OID, since the samples have OIDs: joining the names to each row of each sample costs the server more than the rows. */
export const NAMES = `
  select json_build_object(
    'databases', (select json_object_agg(oid, datname) from pg_database),
    'roles', coalesce((select json_object_agg(oid, rolname) from pg_roles
      where oid in (select usesysid from pg_stat_get_activity(null))), '{}')
  )`;

const milliseconds = (time: string) => `(extract(epoch from ${time}) * 1000)::int8`;

/** The server's clock, its start, and the counters of each database that had a session: sessions may be too short for a sample. */
export const COUNTERS = `
  select json_build_object(
    'at', ${milliseconds('clock_timestamp()')},
    'bootAt', ${milliseconds('pg_postmaster_start_time()')},
    'counters', (
      select json_object_agg(datname, json_build_object(
        'commits', xact_commit, 'rollbacks', xact_rollback, 'sessions', sessions, 'abandoned', sessions_abandoned,
        'fatal', sessions_fatal, 'killed', sessions_killed, 'sessionMs', session_time, 'activeMs', active_time,
        'resetAt', ${milliseconds('stats_reset')}))
      from pg_stat_database where datname is not null and (sessions > 0 or datname = current_database()))
  )`;

/** More of them seldom change the finding, and for each the server looks through all its locks. */
const BLOCKED_LOOKED_AT = 20;

/**
 * The client sessions. A role without rights sees others' sessions without their `backend_type`; a session with a database and a role then counts as
 * a client.
 */
export const SESSIONS = `
  select pid, ${milliseconds('backend_start')}, usesysid, datid, application_name, host(client_addr), state,
    ${milliseconds('state_change')}, ${milliseconds('xact_start')}, wait_event,
    case when wait_event_type = 'Lock' and row_number() over (partition by wait_event_type = 'Lock') <= ${BLOCKED_LOOKED_AT}
      then array_to_string(pg_blocking_pids(pid), ',') end,
    backend_start is not null and query_start is null, pid = pg_backend_pid()
  from pg_stat_get_activity(null)
  where backend_type = 'client backend' or (backend_type is null and datid is not null and usesysid is not null)`;

const STATEMENTS_LOOKED_AT = 200;

/** The last statements. Sessions in a transaction come first, because the report shows theirs. */
export const STATEMENTS = `
  select pid, left(query, 300), age(backend_xmin)
  from pg_stat_get_activity(null)
  where backend_type = 'client backend' and query <> '' and pid <> pg_backend_pid()
  order by (state like 'idle in transaction%') desc, pid
  limit ${STATEMENTS_LOOKED_AT}`;

/** Statements that the server plans, after blanks, comments and parentheses. It never plans others, such as BEGIN and SET. */
const IS_PLANNED = String.raw`^(\s|\(|/\*([^*]|\*+[^*/])*\*+/|--[^\n]*\n)*(select|insert|update|delete|merge|with|values|table)\M`;

/**
 * The plan counts of the app's statements. Those of the doctor, and of other tools that read statistics, are left out.
 *
 * @param schema the quoted schema of the extension
 */
export function plansQuestion(schema: string): string {
  return `
    select queryid::text, sum(calls)::float8, sum(plans)::float8
    from ${schema}.pg_stat_statements(true)
    where dbid = (select oid from pg_database where datname = current_database()) and queryid is not null
      and left(query, 500) ~* '${IS_PLANNED}' and query not like '%pg\\_stat\\_%'
    group by queryid`;
}
