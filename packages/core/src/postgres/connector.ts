import pg from 'pg';
import type { Connector } from '../pool/connector.js';
import { openClient } from './openClient.js';
import { runSetUp } from './reset.js';
import { pgSession, type SessionOptions } from './session.js';

/** What `new pg.Client()` takes: a connection string, or its own configuration. */
export type PgConfig = string | pg.ClientConfig;

/**
 * Opens connections with the peer `pg`.
 *
 * @param config handed to every client as it is, so that a password function is asked each time; without it `pg` reads `PGHOST` and the like
 * @param options `setUp` prepares each session
 */
export function pgConnector(config?: PgConfig, options: SessionOptions<pg.Client> = {}): Connector<pg.Client> {
  const stream = typeof config === 'object' ? config.stream : undefined;
  const asksPassword = () => typeof config === 'object' && typeof config.password === 'function';
  const session = pgSession<pg.Client>({ stream, asksPassword, ...options });
  const { observe: _, watch: __, keepStatements, ...rest } = session;
  const { setUp } = options;
  let exitOnIdle = true;
  return {
    ...rest,
    governedBy(policy) {
      session.governedBy(policy);
      exitOnIdle = policy.exitOnIdle;
    },
    connect: (signal, onLost, onReadOnly) =>
      openClient(() => new pg.Client(config), {
        session,
        signal,
        onLost,
        onReadOnly,
        exitOnIdle,
        async prepare(client) {
          if (setUp) await runSetUp(client, setUp, signal);
          await keepStatements(client, signal);
        },
      }),
  };
}
