import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { freePort } from './freePort.js';
import { packagesOf } from './postgresVersion.js';
import { Cluster, PortTakenError, type StopMode } from './server/cluster.js';
import { findPrograms, type Programs } from './server/programs.js';
import { type ServerUser, serverUser } from './server/serverUser.js';
import { type OnSlow, showOnStderr, step } from './step.js';
import { TemporaryFolder } from './temporaryFolder.js';

const HOST = '127.0.0.1';
const SUPERUSER = 'postgres';
const APP = 'app';
const PORT_ATTEMPTS = 5;
const TOO_MANY = '53300';

/** A throw-away server need not survive a power cut, so it never waits for the disk. */
const FAST_SETTINGS = { fsync: 'off', full_page_writes: 'off' };

export interface PostgresOptions {
  /** Default: 100, as in PostgreSQL. */
  maxConnections?: number;
  /** Server settings, as in postgresql.conf. */
  settings?: Record<string, string | number>;
  /** Added to this process's environment for the server's processes. */
  env?: Record<string, string>;
  /** Called with a step of the start that takes longer than two seconds. Default: prints to stderr. */
  onSlow?: OnSlow;
  /** The major version. Default: that of the environment's `TENURE_POSTGRES`, or else the newest. */
  version?: string;
  /** A data directory to copy, because initdb takes two seconds for a new one. The server has its version. */
  prepared?: PreparedCluster;
}

/** A data directory that no server has used, and the programs that made it. */
export interface PreparedCluster {
  readonly programs: Programs;
  readonly data: string;
}

export interface Backend {
  pid: number;
  user: string;
  database: string;
  applicationName: string;
  /** `active`, `idle`, `idle in transaction`, `idle in transaction (aborted)`, … */
  state: string;
  query: string;
  waitEvent: string | null;
  startedAt: Date;
}

/** Selects client sessions; by default, all of the role `app`. */
export interface BackendFilter {
  pid?: number;
  user?: string;
  applicationName?: string;
  state?: string;
}

export interface PostgresServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** The role `app`, not a superuser, which owns the database `app`. */
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly url: string;
  /** The superuser, in the same database. */
  readonly superuserUrl: string;
  /** The server's last log lines. */
  log(): string;
  /** Runs SQL as the superuser, on a connection of its own. */
  admin<Row extends object = Record<string, unknown>>(sql: string, values?: unknown[]): Promise<Row[]>;
  /** The client sessions, without the one of this query. */
  activity(filter?: BackendFilter): Promise<Backend[]>;
  /** Ends sessions with 57P01, and waits until they are gone. Returns their process IDs. */
  terminateBackends(filter?: BackendFilter): Promise<number[]>;
  stopServer(mode?: StopMode): Promise<void>;
  /** Starts it again, on the same data and the same port. */
  startServer(): Promise<void>;
  /** Forbids all transactions to write, or allows it again, on open sessions as well. */
  setReadOnly(readOnly: boolean): Promise<void>;
  /** Stops the server, and removes all its files. May be called twice. */
  stop(): Promise<void>;
}

/**
 * Starts a PostgreSQL server in a folder of its own. It ends when this process ends.
 *
 * @throws CannotStartError when this machine does not allow it, with the cause and what to do
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const user = await serverUser();
  const folder = await TemporaryFolder.make('postgres', user);
  try {
    return await startIn(folder, user, { onSlow: showOnStderr, ...options });
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

/** Makes a data directory for many servers, of the newest version or of `TENURE_POSTGRES`. It is removed with the folder. */
export async function preparePostgres(): Promise<{ folder: TemporaryFolder; prepared: PreparedCluster }> {
  const user = await serverUser();
  const folder = await TemporaryFolder.make('postgres', user);
  try {
    const programs = await programsIn(folder, user, { onSlow: showOnStderr });
    const cluster = clusterIn(folder, programs, { onSlow: showOnStderr });
    await cluster.initialise();
    return { folder, prepared: { programs, data: cluster.data } };
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

type StartOptions = PostgresOptions & { onSlow: OnSlow };

async function programsIn(folder: TemporaryFolder, user: ServerUser | undefined, { version, onSlow }: StartOptions) {
  return step('Trying the programs of PostgreSQL', onSlow, findPrograms(folder, user, await packagesOf(version)));
}

function clusterIn(
  folder: TemporaryFolder,
  programs: Programs,
  { maxConnections = 100, settings, env = {}, onSlow }: StartOptions,
): Cluster {
  return new Cluster(folder, programs, {
    superuser: SUPERUSER,
    password: SUPERUSER,
    onSlow,
    env,
    settings: {
      ...FAST_SETTINGS,
      listen_addresses: HOST,
      unix_socket_directories: '',
      max_connections: maxConnections,
      ...settings,
    },
  });
}

async function startIn(
  folder: TemporaryFolder,
  user: ServerUser | undefined,
  options: StartOptions,
): Promise<PostgresServer> {
  const { prepared, onSlow } = options;
  const programs = prepared?.programs ?? (await programsIn(folder, user, options));
  const cluster = clusterIn(folder, programs, options);
  await (prepared ? cluster.copy(prepared.data) : cluster.initialise());
  const port = await startOnFreePort(cluster);
  await step('Creating the role and the database of the app', onSlow, createApp(port));

  const urlOf = (user: string, password: string) => `postgres://${user}:${password}@${HOST}:${port}/${APP}`;
  const superuserUrl = urlOf(SUPERUSER, SUPERUSER);

  const connectAdmin = async (): Promise<pg.Client> => {
    for (let attempt = 1; ; attempt++) {
      const client = new pg.Client({ connectionString: superuserUrl, application_name: 'admin' });
      client.on('error', cluster.keep);
      try {
        await client.connect();
        return client;
      } catch (error) {
        // Some slots are reserved for the superuser, but a login that is about to be refused takes one for a moment.
        if ((error as { code?: string }).code !== TOO_MANY || attempt === 50) throw error;
        await sleep(50);
      }
    }
  };

  const admin = async <Row extends object>(sql: string, values: unknown[] = []): Promise<Row[]> => {
    const client = await connectAdmin();
    try {
      // Only a query without values may contain several statements.
      const result = values.length > 0 ? await client.query<Row>(sql, values) : await client.query<Row>(sql);
      return result.rows;
    } finally {
      await client.end();
    }
  };

  const setReadOnly = async (readOnly: boolean) => {
    const setting = readOnly ? 'on' : 'off';
    await admin(`alter system set default_transaction_read_only = ${setting}`);
    await admin('select pg_reload_conf()');
    const isSet = async () => {
      const [row] = await admin<{ setting: string }>(
        `select current_setting('default_transaction_read_only') as setting`,
      );
      return row?.setting === setting;
    };
    while (!(await isSet())) await sleep(10);
    // Open sessions get the change through the postmaster, a moment after it has read the file.
    await sleep(50);
  };

  return {
    host: HOST,
    port,
    user: APP,
    password: APP,
    database: APP,
    url: urlOf(APP, APP),
    superuserUrl,
    log: () => cluster.log(),
    admin,
    activity: (filter) => admin<Backend>(ACTIVITY, filterValues(filter)),
    terminateBackends: async (filter) => {
      const ended = await admin<{ pid: number }>(TERMINATE, filterValues(filter));
      return ended.map(({ pid }) => pid);
    },
    stopServer: (mode = 'fast') => cluster.stop(mode),
    startServer: () => cluster.start(port),
    setReadOnly,
    stop: () => folder.remove(),
    [Symbol.asyncDispose]: () => folder.remove(),
  };
}

async function startOnFreePort(cluster: Cluster): Promise<number> {
  // Another program may take the port between the test and the start.
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    try {
      await cluster.start(port);
      return port;
    } catch (error) {
      if (!(error instanceof PortTakenError) || attempt === PORT_ATTEMPTS) throw error;
    }
  }
}

const MATCHES = `
  from pg_stat_activity
  where backend_type = 'client backend' and pid <> pg_backend_pid()
    and ($1::int is null or pid = $1)
    and ($2::text is null or usename = $2)
    and ($3::text is null or application_name = $3)
    and ($4::text is null or state = $4)`;

const ACTIVITY = `
  select pid, usename as "user", datname as database, application_name as "applicationName", state, query,
    wait_event as "waitEvent", backend_start as "startedAt"
  ${MATCHES}
  order by backend_start, pid`;

const GONE_WITHIN_MS = 5_000;
const TERMINATE = `select pid from (select pid, pg_terminate_backend(pid, ${GONE_WITHIN_MS}) as gone ${MATCHES}) ended where gone`;

function filterValues(filter: BackendFilter = { user: APP }): unknown[] {
  return [filter.pid ?? null, filter.user ?? null, filter.applicationName ?? null, filter.state ?? null];
}

async function createApp(port: number): Promise<void> {
  const client = new pg.Client({ host: HOST, port, user: SUPERUSER, password: SUPERUSER, database: 'postgres' });
  await client.connect();
  await client.query(`create role ${APP} login password '${APP}'`);
  await client.query(`create database ${APP} owner ${APP}`);
  await client.end();
}
