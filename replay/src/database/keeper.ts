import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { CannotStartError } from '@tenure/test/support/cannotStart.js';
import { removeTemporaryFolders } from '@tenure/test/support/temporaryFolder.js';
import pg from 'pg';
import { serve } from '../processes/serve.js';
import { seed } from './orders.js';

/**
 * Keeps what must not outlive the replay: the server that it started, or its schema on the user's server. A process of its own,
 * so that both are removed even when the main process is killed.
 */

export interface FreshServer {
  url: string;
  superuserUrl: string;
}

/** Why a server cannot start on this machine. */
export interface NoServer {
  cannotStart: string;
}

export type KeeperFunctions = typeof functions;

/** Functions of the main process that the keeper calls. */
export interface KeeperListener {
  slow(text: string): void;
}

/** Logs refused connections, but not the unique keys that requests violate on purpose, which would hide the rest. */
const LOG_SETTINGS = { log_min_messages: 'log' };

const DROP_ATTEMPTS = 20;
const DROP_PAUSE_MS = 500;

/** Undoes what was done, or is in progress. */
let undo: (() => Promise<unknown>) | undefined;
let log = () => '';

const functions = {
  async startServer(maxConnections: number): Promise<FreshServer | NoServer> {
    // Loaded here, not at the top: with the user's own server, PostgreSQL need not be installed.
    const { startPostgres } = await import('@tenure/test/support/postgres.js');
    undo = removeTemporaryFolders;
    try {
      const onSlow = (text: string) => void main.slow(text);
      const { url, superuserUrl, ...server } = await startPostgres({ maxConnections, settings: LOG_SETTINGS, onSlow });
      log = server.log;
      return { url, superuserUrl };
    } catch (error) {
      if (error instanceof CannotStartError) return { cannotStart: error.message };
      throw error;
    }
  },
  /** Resolves to the name of a new schema with the app's tables. */
  async createSchema(url: string): Promise<string> {
    const schema = `tenure_replay_${randomBytes(4).toString('hex')}`;
    const creating = withClient(url, (client) => seed(client, schema));
    // A server of the replay is removed as a whole, so its schema need not be dropped.
    undo ??= () => creating.catch(() => {}).then(() => dropSchema(url, schema));
    await creating;
    return schema;
  },
  serverLog: () => log(),
};

/** Retries while the server is full: the app's sessions, ended a moment ago, may still take every connection. */
async function dropSchema(url: string, schema: string): Promise<void> {
  for (let attempt = 1; attempt <= DROP_ATTEMPTS; attempt++) {
    try {
      return await withClient(url, (client) => client.query(`drop schema if exists ${schema} cascade`));
    } catch {
      await sleep(DROP_PAUSE_MS);
    }
  }
}

async function withClient(url: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await work(client).finally(() => client.end());
}

const main = serve<typeof functions, KeeperListener>(functions, () => undo?.());
