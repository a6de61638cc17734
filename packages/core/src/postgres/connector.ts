import pg from 'pg';
import type { Connector } from '../pool/connector.js';
import { openClient } from './openClient.js';
import { runSetUp } from './reset.js';
import { pgSession, type SessionOptions } from './session.js';

/** What `new pg.Client()` takes: a connection string, or its own configuration. */
export type PgConfig = string | pg.ClientConfig;

export interface PgConnectorOptions extends SessionOptions<pg.Client> {
  /** As in the policy: a connection that is being opened does not keep the process alive, only who waits for it does. Default true. */
  readonly exitOnIdle?: boolean;
}

/**
 * Opens connections with the peer `pg`.
 *
 * @param config handed to every client as it is, so that a password function is asked each time; without it `pg` reads `PGHOST` and the like
 */
export function pgConnector(config?: PgConfig, options: PgConnectorOptions = {}): Connector<pg.Client> {
  const stream = typeof config === 'object' ? config.stream : undefined;
  const session = pgSession<pg.Client>({ stream, ...options });
  const { observe: _, watch: __, ...rest } = session;
  const { setUp, exitOnIdle = true } = options;
  return {
    ...rest,
    connect: (signal, onLost, onReadOnly) =>
      openClient(() => new pg.Client(config), {
        session,
        signal,
        onLost,
        onReadOnly,
        exitOnIdle,
        prepare: async (client) => setUp && runSetUp(client, setUp, signal),
      }),
  };
}
