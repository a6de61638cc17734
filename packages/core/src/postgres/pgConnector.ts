import pg from 'pg';
import type { Connector } from '../pool/connector.js';
import { clientConnector } from './clientConnector.js';
import type { SetUp } from './reset.js';

/** What `new pg.Client()` takes: a connection string, or its own configuration. */
export type PgConfig = string | pg.ClientConfig;

export interface PgConnectorOptions {
  /** Prepares each session; run again after each `session` reset. Must leave no transaction open. Default: none. */
  readonly setUp?: SetUp<pg.Client> | undefined;
}

/**
 * A connector for `createPool` that opens connections with the peer `pg`.
 *
 * @param config given to every client as it is, so that a password function is called each time; without it `pg` reads `PGHOST` and the like
 */
export function pgConnector(config?: PgConfig, options: PgConnectorOptions = {}): Connector<pg.Client> {
  return clientConnector<pg.Client>({
    ...options,
    stream: typeof config === 'object' ? config.stream : undefined,
    asksPassword: () => typeof config === 'object' && typeof config.password === 'function',
    create: () => new pg.Client(config),
  });
}
