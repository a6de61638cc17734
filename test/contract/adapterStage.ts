import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, onTestFinished } from 'vitest';
import { type PgBouncerOptions, startPgBouncer } from '../support/pgbouncer.js';
import type { PostgresServer } from '../support/postgres.js';
import { FaultProxy } from '../support/proxy/proxy.js';
import type { StopMode } from '../support/server/cluster.js';

/** The target of connects. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** How long `pg` waits for the answer to a query, in milliseconds. */
  readonly query_timeout?: number;
}

/** The other side of an adapter's connections: the server itself, or a pooler in front of it. */
export interface AdapterStage {
  readonly postgres: PostgresServer;
  readonly target: Target;
  /** A number for each connection that is open, in order; never the same for two. */
  connections(): Promise<number[]>;
  /** Ends all connections while this process is blocked: the server's last messages wait in its sockets, unread. */
  killUnheard(): void;
  /** A target that can be silenced. */
  readonly fragile: Partial<Target>;
  /** Makes connections silent, until the end of the test. */
  silence(connections: readonly number[]): void;
  /** How the server is stopped to be restarted under load. */
  readonly restarts: readonly StopMode[];
  /** The error for a wrong password, and the log line about it. */
  readonly refusal: string;
  readonly refusalInLog: string;
  log(): string;
  readonly isDirect: boolean;
}

/** Straight to the server. */
export function directStage(postgres: PostgresServer): AdapterStage {
  return {
    postgres,
    target: targetOf(postgres),
    connections: async () => (await postgres.activity()).map(({ pid }) => pid).sort(),
    killUnheard: () => killUnheard(postgres),
    fragile: {},
    silence(pids) {
      const signal = (name: 'SIGSTOP' | 'SIGCONT') => {
        for (const pid of pids) process.kill(pid, name);
      };
      signal('SIGSTOP');
      onTestFinished(() => signal('SIGCONT'));
    },
    restarts: ['fast', 'immediate'],
    refusal: 'password authentication failed for user "app"',
    refusalInLog: 'password authentication failed',
    isDirect: true,
    log: () => postgres.log(),
  };
}

/** A stage behind a PgBouncer in this mode, and a network that can go silent. */
export async function pooledStage(
  postgres: PostgresServer,
  poolMode: PgBouncerOptions['poolMode'],
  restarts: readonly StopMode[],
): Promise<AdapterStage> {
  // It looks for a server that is away as often as a pool does.
  const bouncer = await startPgBouncer({ upstream: postgres, poolMode, settings: { server_login_retry: 0.2 } });
  const network = new FaultProxy(bouncer);
  await network.listen();
  afterAll(async () => {
    await network[Symbol.asyncDispose]();
    await bouncer.stop();
  });
  const { database } = postgres;
  return {
    postgres,
    target: { ...targetOf(postgres), host: bouncer.host, port: bouncer.port },
    async connections() {
      const clients = await bouncer.admin<{ database: string; port: number }>('show clients');
      return clients
        .filter((client) => client.database === database)
        .map(({ port }) => port)
        .sort();
    },
    killUnheard: () => runUnheard(bouncer.consoleUrl, [`kill ${database}`, `resume ${database}`]),
    fragile: { host: network.host, port: network.port },
    silence() {
      network.freeze();
      // Otherwise the pooler would keep its ends of them.
      onTestFinished(() => network.sever());
    },
    restarts,
    refusal: 'password authentication failed',
    refusalInLog: 'pooler error: password authentication failed',
    isDirect: false,
    log: () => bouncer.log(),
  };
}

function targetOf({ host, port, user, password, database }: PostgresServer): Target {
  return { host, port, user, password, database };
}

/** Ends the sessions of all adapters while this process is blocked. */
export function killUnheard({ superuserUrl, user }: PostgresServer): void {
  runUnheard(superuserUrl, [`select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = '${user}'`]);
}

function runUnheard(url: string, commands: readonly string[]): void {
  const script = `
    import pg from 'pg';
    const client = new pg.Client(process.argv[1]);
    await client.connect();
    for (const command of process.argv.slice(2)) await client.query(command);
    await client.end();`;
  const cwd = fileURLToPath(new URL('..', import.meta.url));
  execFileSync(process.execPath, ['--input-type=module', '--eval', script, url, ...commands], { cwd });
}
