import { keepAlive } from './keepAlive.js';
import type { PgClient, PgConnection } from './pgTypes.js';

/** What is known of a client's end. Kept here because nothing is written on the client itself. */
interface Life {
  /** The last error the server sent and did not follow with ReadyForQuery: the reason, if the connection ends now. */
  lastWord: Error | undefined;
  /** Why it ended; the first cause counts. */
  cause: Error | undefined;
  /** Nobody wants to hear of its end any more: it has been reported, or we asked for it. */
  quiet: boolean;
}

const lives = new WeakMap<PgClient, Life>();

/**
 * Listens to a client for the rest of its life: none of its errors is ever an uncaught one, not even after retirement.
 *
 * @param onLost called once if the connection ends without being asked to by `close` or `abort`
 */
export function watch(client: PgClient, onLost: (cause?: Error) => void): void {
  const life: Life = { lastWord: undefined, cause: undefined, quiet: false };
  lives.set(client, life);
  const ended = (error?: Error) => {
    life.cause ??= life.lastWord ?? error;
    if (life.quiet) return;
    life.quiet = true;
    onLost(life.cause);
  };
  client.on('error', ended);
  client.on('end', () => ended());
  if (client.connection) rememberLastWord(client.connection, life);
  keepAlive(client);
  // It may have ended before we began to listen; then no event will tell.
  if (client._ended || client._queryable === false) queueMicrotask(ended);
}

/**
 * `pg` gives a FATAL error to the query it interrupts, and says of the connection only that it "terminated unexpectedly". Whether an error
 * is fatal is not in the message (its severity is translated), but in what follows: ReadyForQuery, or the end.
 */
function rememberLastWord(connection: PgConnection, life: Life): void {
  const forget = () => {
    life.lastWord = undefined;
  };
  connection.on('errorMessage', (error) => {
    life.lastWord = error;
    connection.once('readyForQuery', forget);
  });
}

/** From now on the end of this connection is what we asked for. */
export function expectEnd(client: PgClient): void {
  const life = lives.get(client);
  if (life) life.quiet = true;
}

/** Why a connection that is not open any more has ended. */
export function causeOfEnd(client: PgClient): Error {
  const life = lives.get(client);
  return life?.cause ?? life?.lastWord ?? new Error('The connection has ended');
}
