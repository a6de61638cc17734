import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { freePort } from './freePort.js';
import type { PostgresServer } from './postgres.js';
import { serverUser } from './server/serverUser.js';
import { TemporaryFolder } from './temporaryFolder.js';

const HOST = '127.0.0.1';
const CONSOLE = 'console';
const READY_WITHIN_MS = 10_000;

export interface PgBouncerOptions {
  upstream: Pick<PostgresServer, 'host' | 'port' | 'user' | 'password' | 'database'>;
  poolMode: 'session' | 'transaction' | 'statement';
  /** Settings of the section [pgbouncer]. */
  settings?: Record<string, string | number>;
  /** The section [databases]. Default: the database of the server behind it. */
  databases?: Record<string, string>;
}

export interface PgBouncer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Role, password and database are those of the server behind it. */
  readonly url: string;
  /** The ID of the process that runs now. */
  readonly pid: number;
  log(): string;
  /** PgBouncer's own console, for a role that no app has: PgBouncer accepts its administrators even when it is full. */
  readonly consoleUrl: string;
  /** Runs a command of the console, such as `show pools`. */
  admin<Row extends object = Record<string, unknown>>(command: string): Promise<Row[]>;
  /** Ends it, and starts it again on the same port. `SIGINT` lets queries finish first; `SIGTERM`, in version 1.18, does not. */
  restart(signal: 'SIGINT' | 'SIGTERM' | 'SIGKILL', downMs?: number): Promise<void>;
  /** Stops it, and removes all its files. May be called twice. */
  stop(): Promise<void>;
}

/**
 * Whether PgBouncer is installed: `describe.skipIf(!hasPgBouncer())`. If it is not, that is printed, and an error in CI, so that
 * no test is skipped there.
 */
export function hasPgBouncer(): boolean {
  if (findPgBouncer()) return true;
  if (process.env.CI) throw new Error('PgBouncer is not installed: apt-get install pgbouncer');
  console.warn('Skipping the tests with PgBouncer, which is not installed: apt-get install pgbouncer');
  return false;
}

/** Starts a PgBouncer before a server. It ends when this process ends. */
export async function startPgBouncer({
  upstream,
  poolMode,
  settings,
  databases,
}: PgBouncerOptions): Promise<PgBouncer> {
  const binary = findPgBouncer();
  if (!binary) throw new Error('PgBouncer is not installed: apt-get install pgbouncer');
  const port = await freePort();
  // PgBouncer refuses to run as root.
  const folder = await TemporaryFolder.make('pgbouncer', await serverUser());
  const { host, user, password, database } = upstream;

  const users = join(folder.path, 'users.txt');
  const config = join(folder.path, 'pgbouncer.ini');
  await writeFile(users, `"${user}" "${password}"\n"${CONSOLE}" "${CONSOLE}"\n`);
  await writeFile(
    config,
    iniFile({
      databases: databases ?? { [database]: `host=${host} port=${upstream.port} dbname=${database}` },
      pgbouncer: {
        listen_addr: HOST,
        listen_port: port,
        unix_socket_dir: '',
        auth_type: 'plain',
        auth_file: users,
        admin_users: CONSOLE,
        pool_mode: poolMode,
        ...settings,
      },
    }),
  );
  await folder.own(folder.path);

  let log = '';
  const launch = async () => {
    const launched = await folder.start(binary, [config], { stdio: ['ignore', 'ignore', 'pipe'] });
    launched.stderr!.on('data', (chunk: Buffer) => {
      log += chunk.toString();
    });
    return launched;
  };
  let pgBouncer = await launch();

  const restart = async (signal: NodeJS.Signals, downMs = 0) => {
    const gone = once(pgBouncer, 'exit');
    pgBouncer.kill(signal);
    await gone;
    await sleep(downMs);
    pgBouncer = await launch();
    await untilListening(pgBouncer, port);
  };
  const stop = () => folder.remove();

  try {
    await untilListening(pgBouncer, port);
  } catch (error) {
    await stop();
    throw new Error(`PgBouncer did not start. Its log:\n${log}`, { cause: error });
  }

  const consoleUrl = `postgres://${CONSOLE}:${CONSOLE}@${HOST}:${port}/pgbouncer`;
  return {
    host: HOST,
    port,
    url: `postgres://${user}:${password}@${HOST}:${port}/${database}`,
    consoleUrl,
    get pid() {
      return pgBouncer.pid!;
    },
    log: () => log,
    admin: async <Row extends object>(command: string) => {
      const client = new pg.Client(consoleUrl);
      await client.connect();
      const { rows } = await client.query<Row>(command);
      await client.end();
      return rows;
    },
    restart,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** The path of PgBouncer, if it is installed. */
export function findPgBouncer(): string | undefined {
  // Debian has it in a folder that is not on the PATH of an ordinary user.
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin'];
  return folders.map((folder) => join(folder, 'pgbouncer')).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function iniFile(sections: Record<string, Record<string, string | number>>): string {
  return Object.entries(sections)
    .flatMap(([name, values]) => [
      `[${name}]`,
      ...Object.entries(values).map(([key, value]) => `${key} = ${value}`),
      '',
    ])
    .join('\n');
}

function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

async function untilListening(child: ChildProcess, port: number): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS;
  while (!(await accepts(port))) {
    if (!isRunning(child)) throw new Error('it exited');
    if (Date.now() > deadline) throw new Error(`it does not listen after ${READY_WITHIN_MS} ms`);
    await sleep(20);
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, HOST);
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
