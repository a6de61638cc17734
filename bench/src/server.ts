import { type PostgresServer, startPostgres } from '@tenure/test/support/postgres.js';
import pg from 'pg';

export interface Server extends AsyncDisposable {
  readonly url: string;
  readonly version: string;
  /** Runs SQL as the app. */
  run(...sql: string[]): Promise<void>;
}

/** Starts a PostgreSQL of this process, so that reading its log takes no time of the measured process. */
export async function startServer(maxConnections = 100): Promise<Server> {
  console.error('  Starting PostgreSQL …');
  const server = await startPostgres({ maxConnections, settings: { log_min_messages: 'log' } });
  return {
    url: server.url,
    version: await versionOf(server),
    run: (...sql) => runAll(server.url, sql),
    [Symbol.asyncDispose]: () => server.stop(),
  };
}

export async function versionOf({ admin }: PostgresServer): Promise<string> {
  const [row] = await admin<{ server_version: string }>('show server_version');
  return row!.server_version;
}

async function runAll(url: string, sql: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  for (const statement of sql) await client.query(statement);
  await client.end();
}
