import { classifyConnectError } from './connectFailure.js';
import type { PgClient } from './pgTypes.js';

/** Where a session is, or was refused. */
interface Place {
  /** As connected: two names may lead to one server. */
  readonly server: string;
  readonly user: string | undefined;
  readonly database: string | undefined;
}

/** Where a server that was full refused a client, by the error. */
const refusedAt = new WeakMap<object, Place>();

/** To be called before the client connects: afterwards its socket does not say any more where it led. */
export function noteFullServer(client: PgClient): void {
  client.connection?.on('errorMessage', (error) => {
    if (classifyConnectError(error) === 'full') refusedAt.set(error, placeOf(client));
  });
}

/**
 * Whether the end of this connection, which may belong to another pool, makes room where a server that is full refused a client: it is on the
 * same server, and has the same role or database where the limit is one of the role's or the database's own.
 */
export function makesRoom(error: unknown, connection: PgClient): boolean {
  const refused = typeof error === 'object' && error !== null ? refusedAt.get(error) : undefined;
  if (refused === undefined) return false;
  const place = placeOf(connection);
  if (place.server !== refused.server) return false;
  const limit = limitOf(error as { routine?: unknown; message?: unknown });
  return limit === 'server' || place[limit] === refused[limit];
}

/** Where a client is connected, as far as that can be told. */
export function placeOf({ connection, host, port, user, database }: PgClient): Place {
  const { remoteAddress, remotePort } = connection?.stream ?? {};
  // A Unix socket, or the app's own stream, has no address.
  const server = remoteAddress === undefined ? `${host}:${port}` : `${remoteAddress}:${remotePort}`;
  return { server, user, database };
}

/** Whose limit it is: by the function of PostgreSQL's that raised it, since its messages are translated, or by the name of PgBouncer's setting. */
function limitOf({ routine, message }: { routine?: unknown; message?: unknown }): 'server' | 'user' | 'database' {
  if (routine === 'InitializeSessionUserId' || String(message).includes('(max_user_')) return 'user';
  if (routine === 'CheckMyDatabase' || String(message).includes('(max_db_')) return 'database';
  return 'server';
}
