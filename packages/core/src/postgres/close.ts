import { expectEnd } from './connection.js';
import type { PgClient } from './pgTypes.js';
import { silence } from './reset.js';

/** Says goodbye; resolves when the socket has closed. Never rejects: whatever goes wrong on the way, the connection is gone. */
export async function close(client: PgClient): Promise<void> {
  expectEnd(client);
  silence(client);
  // Someone waits for the end. Without this the process might exit first.
  ref(client);
  // With a callback, as pg-pool ends a client: a `Client` class of the app's own may know no other form.
  await new Promise<void>((resolve) => client.end(() => resolve()));
}

/** Destroys the socket at once, in whatever phase the client is. Never throws: it cleans up after errors, which must not be lost for another. */
export function abort(client: PgClient): void {
  expectEnd(client);
  silence(client);
  try {
    if (client.connection) client.connection.stream.destroy();
    else client.end(() => {});
  } catch {
    // A `Client` class of the app's own may have no `end()`; there is nothing more to do for it.
  }
}

/** Lets the connection keep this process alive. Not `client.ref()`: that throws on a stream of the app's own that cannot. */
export function ref(client: PgClient): void {
  client.connection?.stream.ref?.();
}

/** Lets this process exit although the connection is open. */
export function unref(client: PgClient): void {
  client.connection?.stream.unref?.();
}
