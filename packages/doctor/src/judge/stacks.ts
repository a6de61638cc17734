import type { FindingId } from './finding.js';

/** The library or program of an app, as far as its sessions show it. */
export type Stack =
  | 'node'
  | 'prisma'
  | 'django'
  | 'rails'
  | 'java'
  | 'dotnet'
  | 'asyncpg'
  | 'pooler'
  | 'tool'
  | 'unknown';

/** Names that drivers and programs set by themselves. */
const BY_APPLICATION: readonly (readonly [RegExp, Stack])[] = [
  [/^(pgbouncer|odyssey|pgcat|supavisor|pgpool|rdsproxy)/i, 'pooler'],
  [
    /^(tenure-doctor|psql|pg_\w+|pgbench|pgadmin|dbeaver|datagrip|navicat|vacuumdb|reindexdb|postgres_exporter)/i,
    'tool',
  ],
  [/PostgreSQL JDBC Driver|hikari/i, 'java'],
  [/^(puma|unicorn|sidekiq|bin\/rails|rails|rake|good_job|solid_queue)/i, 'rails'],
  [/npgsql|\.dll$/i, 'dotnet'],
  [/gunicorn|uwsgi|django|celery/i, 'django'],
];

/** Last statements in a form that only one driver or mapper writes. */
const BY_STATEMENT: readonly (readonly [RegExp, Stack])[] = [
  [/^SELECT pg_advisory_unlock_all\(\);\s*CLOSE ALL;/i, 'asyncpg'],
  [/"public"\."\w+"\."\w+"/, 'prisma'],
  [/^SET extra_float_digits = /, 'java'],
  [/^select (\w+\d_\d)\.\w+/, 'java'],
  [/FROM "django_|"(auth|django)_\w+"\./, 'django'],
  [/^SELECT "(\w+)"\."\w+", "\1"\."\w+".* FROM "\1"( WHERE .*)?( LIMIT \d+| LIMIT \?)?$/, 'django'],
  [/^SELECT "(\w+)"\.\* FROM "\1"/, 'rails'],
  [/^(select|insert into|update|delete from) .*"\w+".*\$\d/, 'node'],
];

/** One application name is enough, or two statements that agree. */
export function stackOf(application: string, statements: readonly string[]): Stack {
  const named = BY_APPLICATION.find(([pattern]) => pattern.test(application));
  if (named) return named[1];
  const votes = new Map<Stack, number>();
  for (const statement of statements) {
    const found = BY_STATEMENT.find(([pattern]) => pattern.test(statement));
    if (found) votes.set(found[1], (votes.get(found[1]) ?? 0) + 1);
  }
  const [best] = [...votes].sort(([, a], [, b]) => b - a);
  return best && best[1] >= 2 ? best[0] : 'unknown';
}

type Advised = Extract<
  FindingId,
  'not-reused' | 'per-request' | 'closed-by-errors' | 'fleet-too-large' | 'open-transaction' | 'oversized' | 'same-age'
>;

/** One setting to change, by stack; the last is for a stack that is not recognised. */
const SETTINGS: Readonly<Record<Advised, Partial<Record<Stack, string>> & { unknown: string }>> = {
  'not-reused': {
    django: 'Set CONN_MAX_AGE = 0 and put PgBouncer in front, or run gunicorn with sync or gthread workers.',
    node: 'Create the pool once per process, outside the request handler and outside code that is reloaded.',
    prisma: 'Create one PrismaClient per process and keep it on globalThis, so that a reload finds it.',
    java: 'Create one DataSource per application; close the HikariDataSource that a reload leaves behind.',
    asyncpg: 'Create one asyncpg pool per process, in the start-up hook of the app.',
    unknown:
      'Create one pool per process, at start-up and outside the request. In Django with eventlet or gevent: CONN_MAX_AGE = 0 with PgBouncer in front, or sync workers.',
  },
  'per-request': {
    django: 'Set CONN_MAX_AGE = 60 with sync or gthread workers, or put PgBouncer in front.',
    node: 'Create the client or pool once, outside the request handler.',
    prisma: 'Create one PrismaClient outside the request handler; do not $disconnect after each request.',
    java: 'Use a connection pool such as HikariCP in place of DriverManager.getConnection.',
    rails: 'Do not call establish_connection or clear_all_connections! in a request.',
    dotnet: 'Remove Pooling=false from the connection string.',
    tool: 'Let the script run its statements over one connection.',
    unknown: 'Use a pool that is created once per process; in serverless functions create it outside the handler.',
  },
  'closed-by-errors': {
    node: 'Take a client with pool.connect() and release it without the error where the session is healthy: pool.query() closes the connection after every error.',
    prisma:
      'Prisma 7 reaches PostgreSQL through pg.Pool, which closes the connection after every error: find the statement that fails (P2002 is a unique violation) and use an upsert or ON CONFLICT.',
    unknown:
      'Find what closes the connection after a failed statement (pg.Pool’s query() and Prisma 7 do) and return it to the pool without the error.',
  },
  'fleet-too-large': {
    django: 'Fewer workers × threads, or PgBouncer in front: together they must stay below the limit.',
    node: 'Lower the pool’s max so that processes × max stays below the limit.',
    prisma: 'Lower the pool’s max (connection_limit before Prisma 7) so that processes × max stays below the limit.',
    java: 'Lower maximumPoolSize so that instances × maximumPoolSize stays below the limit.',
    rails: 'Lower pool in database.yml, or the workers of Puma, so that workers × pool stays below the limit.',
    dotnet: 'Lower Maximum Pool Size so that instances × Maximum Pool Size stays below the limit.',
    unknown: 'Lower the pool’s maximum so that processes × maximum stays below the limit, or put PgBouncer in front.',
  },
  'open-transaction': {
    node: 'Set idle_in_transaction_session_timeout; in Knex look for a query without .transacting(trx), in pg for a client released before COMMIT.',
    prisma: 'Set the timeout of $transaction, and keep calls to other services out of it.',
    django:
      'Set idle_in_transaction_session_timeout; with ATOMIC_REQUESTS keep calls to other services out of the request.',
    java: 'Set HikariCP’s leakDetectionThreshold, and keep calls to other services out of @Transactional methods.',
    unknown:
      'Set idle_in_transaction_session_timeout (say 60 s) for the role, and end every transaction in a finally block.',
  },
  oversized: {
    java: 'Lower minimumIdle and maximumPoolSize.',
    node: 'Lower the pool’s max, or its min.',
    unknown: 'Lower the pool’s size.',
  },
  'same-age': {
    java: 'HikariCP varies maxLifetime by itself: look for a pool that has no such variation.',
    django: 'Restart workers one after the other (max_requests_jitter); CONN_MAX_AGE has no variation of its own.',
    unknown: 'Give each connection’s maximum age a random share (jitter).',
  },
};

/** The corresponding setting of Tenure. */
const TENURE: Readonly<Record<Advised, string>> = {
  'not-reused':
    'With Tenure (Node.js): pools that are created at the same place in the code share one limit, MAX_CONNS=10.',
  'per-request':
    'With Tenure (Node.js): pools that are created at the same place in the code share one limit, MAX_CONNS=10.',
  'closed-by-errors': 'With Tenure (Node.js): an SQL error does not close the connection. No setting is needed.',
  'fleet-too-large': 'With Tenure (Node.js): MAX_CONNS limits each process.',
  'open-transaction':
    'With Tenure (Node.js): a transaction that is left open is rolled back when the connection is returned; CONN_LEAK_THRESHOLD=60 reports connections that are held for longer than 60 s.',
  oversized:
    'With Tenure (Node.js): REUSE_CONNS is how many idle connections are kept; the others are closed after a burst.',
  'same-age': 'With Tenure (Node.js): CONN_MAX_AGE_JITTER=0.25, the default, does that.',
};

export function fixOf(id: Advised, stack: Stack): string {
  return `${SETTINGS[id][stack] ?? SETTINGS[id].unknown} ${TENURE[id]}`;
}

const NAMES: Partial<Record<Stack, string>> = {
  node: 'Node.js',
  prisma: 'Prisma',
  django: 'Django',
  rails: 'Rails',
  java: 'Java',
  dotnet: '.NET',
  asyncpg: 'asyncpg (Python)',
  pooler: 'a pooler',
  tool: 'a tool',
};

export function stackName(stack: Stack): string | null {
  return NAMES[stack] ?? null;
}
