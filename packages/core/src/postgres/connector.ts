import pg from 'pg';
import type { Connector } from '../pool/connector.js';
import { runSetUp } from './reset.js';
import { unlessAborted } from './roundTrip.js';
import { pgSession, type SessionOptions } from './session.js';

/** What `new pg.Client()` takes: a connection string, or its own configuration. */
export type PgConfig = string | pg.ClientConfig;

/** Opens connections with the peer `pg`. The configuration is handed to every client as it is, so a password function is asked each time. */
export function pgConnector(config: PgConfig, options: SessionOptions<pg.Client> = {}): Connector<pg.Client> {
  const { watch, ...session } = pgSession(options);

  const connect = async (signal: AbortSignal, onLost: (cause?: Error) => void): Promise<pg.Client> => {
    signal.throwIfAborted();
    const client = new pg.Client(config);
    let opened = false;
    watch(client, (cause) => {
      if (opened) onLost(cause);
    });
    try {
      await unlessAborted(client.connect(), signal);
      if (options.setUp) await runSetUp(client, options.setUp, signal);
      opened = true;
      return client;
    } catch (error) {
      // In whatever phase it was, down to a name still being looked up.
      session.abort(client);
      throw error;
    }
  };

  return { ...session, connect };
}
