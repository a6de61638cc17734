import pg from 'pg';
import type { Connector } from '../pool/connector.js';
import { causeOfEnd } from './connection.js';
import { type PgSession, pgSession, type SessionOptions } from './pgSession.js';
import type { PgClient } from './pgTypes.js';
import { runSetUp } from './reset.js';
import { unlessAborted } from './roundTrip.js';

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

/** A client that has not connected yet. */
interface OpenableClient extends PgClient {
  connect(callback: (error: Error | null) => void): void;
}

/** What opening a client needs beside the client. */
export interface Opening<C extends OpenableClient> {
  readonly session: PgSession<C>;
  /** Hangs up, in whatever phase the client is. */
  readonly signal: AbortSignal;
  /** Makes the connected client ready for its first borrower. */
  readonly prepare: (client: C) => Promise<unknown>;
  /** Told of its end, once it has been opened. */
  readonly onLost: (cause?: Error) => void;
  /** Told, once it has been opened, that its server takes no writes any more. */
  readonly onReadOnly: () => void;
  /** Lets the process exit meanwhile: whoever waits for the connection must keep it alive. A name that is looked up, or a dial, still does. */
  readonly exitOnIdle: boolean;
}

/** Connects a client and prepares it. Whatever fails on the way, no socket stays behind and no error is uncaught. */
export async function openClient<C extends OpenableClient>(
  create: () => C,
  { session, signal, prepare, onLost, onReadOnly, exitOnIdle }: Opening<C>,
): Promise<C> {
  signal.throwIfAborted();
  const client = create();
  session.observe(client);
  if (exitOnIdle) session.unref(client);
  const hangUp = () => session.abort(client);
  signal.addEventListener('abort', hangUp);
  try {
    await unlessAborted(connected(client), signal);
    await prepare(client);
    if (!session.isOpen(client)) throw causeOfEnd(client);
    session.watch(client, onLost, onReadOnly);
    // Like any socket, from here on: who has it decides.
    session.ref(client);
    return client;
  } catch (error) {
    hangUp();
    throw error;
  } finally {
    signal.removeEventListener('abort', hangUp);
  }
}

/** With a callback, as pg-pool connects: a `Client` class of the app's own may know no other form. */
function connected(client: OpenableClient): Promise<void> {
  return new Promise((resolve, reject) => {
    client.connect((error: Error | null) => (error ? reject(error) : resolve()));
  });
}
