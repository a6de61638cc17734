import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { CannotStartError } from '@tenure/test/support/cannotStart.js';
import { removeTemporaryFolders } from '@tenure/test/support/temporaryFolder.js';
import pg from 'pg';
import { serve } from '../processes/serve.js';
import { seed } from './orders.js';

/**
 * Holds what must not outlive the replay: the server it started, or its schema on the user's server. A process of its own, so
 * that both go even when the main process is killed.
 */

export interface FreshServer {
  url: string;
  superuserUrl: string;
}

/** What keeps a server from starting on this machine. */
export interface NoServer {
  cannotStart: string;
}

export type KeeperFunctions = typeof functions;

/** What the keeper calls in the main process. */
export interface KeeperListener {
  slow(text: string): void;
}

/** Without the unique keys that requests violate on purpose, which would drown all else. A refused connection is in it. */
const LOG_SETTINGS = { log_min_messages: 'log' };

const DROP_ATTEMPTS = 20;
const DROP_PAUSE_MS = 500;

/** Undoes what was done, or is being done. */
let undo: (() => Promise<unknown>) | undefined;
let log = () => '';

const functions = {
  async startServer(maxConnections: number): Promise<FreshServer | NoServer> {
    // Loaded only here: on the user's own server, no PostgreSQL need be installed.
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
  /** Resolves to the name of a new schema that holds the app's tables. */
  async createSchema(url: string): Promise<string> {
    const schema = `tenure_replay_${randomBytes(4).toString('hex')}`;
    const creating = withClient(url, (client) => seed(client, schema));
    // A server of ours goes as a whole.
    undo ??= () => creating.catch(() => {}).then(() => dropSchema(url, schema));
    await creating;
    return schema;
  },
  serverLog: () => log(),
};

/** The app's sessions, ended a moment ago, may still take every connection there is. */
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
