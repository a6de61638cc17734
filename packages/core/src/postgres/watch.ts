import { soon } from '../pool/runtime.js';
import { addCause, explainEnd } from './afterEnd.js';
import { noteFullServer } from './fullServer.js';
import { gateOf } from './gate.js';
import { keepAlive } from './keepAlive.js';
import { EndedByAppError } from './loss.js';
import { guardParser } from './nonsense.js';
import { noteParameters } from './parameters.js';
import type { PgClient, PgConnection } from './pgTypes.js';
import { watchForReadOnly } from './readOnly.js';

/** What is known of a client's end. Kept here because nothing is written on the client itself. */
interface Life {
  /** The last error the server sent and did not follow with ReadyForQuery: the reason, if the connection ends now. */
  lastWord: Error | undefined;
  /** Why it ended; the first cause counts. */
  cause: Error | undefined;
  /** What `pg` said of the end, by the client's event `error`. */
  error: Error | undefined;
  /** When it had been opened, by `performance.now()`. */
  openedAt: number;
  /** Who wants to hear of its end. Nobody, once it has been reported, or we asked for it. */
  onLost: ((cause?: Error) => void) | undefined;
}

const lives = new WeakMap<PgClient, Life>();

/**
 * Listens to a client for the rest of its life: none of its errors is ever an uncaught one, not even after retirement. Best before it connects,
 * since the server tells some things only at the start.
 */
export function observe(client: PgClient): void {
  if (lives.has(client)) return;
  const life: Life = {
    lastWord: undefined,
    cause: undefined,
    error: undefined,
    openedAt: Number.POSITIVE_INFINITY,
    onLost: undefined,
  };
  lives.set(client, life);
  client.on('error', (error) => {
    life.error ??= error;
    end(client, life, error);
  });
  client.on('end', () => end(client, life, client._ending ? new EndedByAppError() : undefined));
  if (client.connection) {
    guardParser(client.connection);
    rememberLastWord(client.connection, life);
  }
  gateOf(client);
  noteParameters(client);
  noteFullServer(client);
  keepAlive(client);
}

/**
 * Tells what becomes of a client that has been opened, for the rest of its life.
 *
 * @param onLost called once if the connection ends without being asked to by `close` or `abort`
 * @param onReadOnly called once if it can write now, and its server stops taking writes
 */
export function watch(client: PgClient, onLost: (cause?: Error) => void, onReadOnly: () => void = () => {}): void {
  observe(client);
  const life = lives.get(client)!;
  life.onLost = onLost;
  life.openedAt = performance.now();
  watchForReadOnly(client, onReadOnly);
  // It may have ended before we began to listen; then no event will tell.
  if (client._ended || client._queryable === false) soon(() => end(client, life));
}

function end(client: PgClient, life: Life, error?: Error): void {
  const { onLost } = life;
  if (life.cause === undefined) {
    life.cause = life.lastWord ?? error;
    if (life.cause && !(life.cause instanceof EndedByAppError)) explainEnd(client, life.cause);
  }
  // `pg` gives this very error to the queries that were still in its queue, in the next tick.
  if (life.cause) addCause(error, life.cause);
  life.onLost = undefined;
  onLost?.(life.cause);
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
  if (life) life.onLost = undefined;
}

/** How many milliseconds ago a client was opened; none before that, and none while this process was frozen. */
export function ageOf(client: PgClient): number {
  const openedAt = lives.get(client)?.openedAt ?? Number.POSITIVE_INFINITY;
  return Math.max(0, performance.now() - openedAt);
}

/**
 * The error that `pg` emitted when this client's connection ended, if it has emitted one. Its `cause` is that of `causeOfEnd`, or it is the
 * same error.
 */
export function errorOfEnd(client: PgClient): Error | undefined {
  return lives.get(client)?.error;
}

/** Why a connection that is not open any more has ended. */
export function causeOfEnd(client: PgClient): Error {
  const life = lives.get(client);
  const known = life?.cause ?? life?.lastWord;
  if (known) return known;
  return client._ending ? new EndedByAppError() : new Error('The connection has ended');
}
