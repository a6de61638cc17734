import pg from 'pg';

/** Facts about a server, and about the role that the replay uses. */
export interface Findings {
  host: string;
  database: string;
  role: string;
  version: string;
  superuser: boolean;
  maxConnections: number;
  /** Sessions that this role may still open, by the limits of server, database and role. */
  free: number;
  /** Client sessions that exist already, without the one of this query. */
  sessions: number;
  mayCreateSchema: boolean;
  /** Whether the role may see the activity of its own sessions. */
  seesItself: boolean;
  /** Whether a pooler is between the replay and the server. */
  pooler: boolean;
}

type Row = Omit<Findings, 'host' | 'pooler'> & { pid: number };

export async function inspect(url: string): Promise<Findings> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    const { rows } = await client.query<Row>(QUESTION);
    const { pid, ...row } = rows[0]!;
    const { processID } = client as unknown as { processID: number };
    return { ...row, host: `${client.host}:${client.port}`, pooler: processID !== pid };
  } finally {
    await client.end();
  }
}

// A role without privileges sees little of other roles' sessions, but always their role and database.
const QUESTION = `
  with sessions as (
    select * from pg_stat_activity where usesysid is not null and datid is not null and pid <> pg_backend_pid()
  ),
  limits as (
    select current_setting('max_connections')::int - (select count(*) from sessions)
      - case when rolsuper then 0 else current_setting('superuser_reserved_connections')::int
          + coalesce(current_setting('reserved_connections', true)::int, 0) end as left_in_server,
      case when datconnlimit < 0 or rolsuper then null else
        datconnlimit - (select count(*) from sessions where datname = current_database()) end as left_in_database,
      case when rolconnlimit < 0 or rolsuper then null else
        rolconnlimit - (select count(*) from sessions where usename = current_user) end as left_to_role,
      rolsuper
    from pg_roles, pg_database where rolname = current_user and datname = current_database()
  )
  select pg_backend_pid() as pid, current_database() as database, current_user as role, rolsuper as superuser,
    current_setting('server_version') as version,
    current_setting('max_connections')::int as "maxConnections",
    -- The one that asks leaves again.
    least(left_in_server, left_in_database, left_to_role)::int as free,
    (select count(*) from sessions)::int as sessions,
    has_database_privilege(current_database(), 'create') as "mayCreateSchema",
    coalesce((select state = 'active' from pg_stat_activity where pid = pg_backend_pid()), false) as "seesItself"
  from limits`;
