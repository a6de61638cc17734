import type { Duplex } from 'node:stream';

/** The connection whose stream is telling its listeners, at this moment, that it has closed. */
let closing: object | undefined;

/**
 * Runs a query whose rows go to a stream, so that its connection comes back exactly once: when the rows have been read from the server, or
 * when the stream closes before that.
 *
 * Knex gives the connection back at both moments. The later one may come when someone else holds it; and if the stream was closed before its
 * connection came, neither comes.
 */
export function runStream(connection: object, stream: Duplex, run: () => Promise<unknown>): Promise<unknown> {
  const closed = stream.closed ? Promise.resolve() : closeOf(stream, connection);
  return stream.destroyed ? closed : Promise.race([run(), closed]);
}

function closeOf(stream: Duplex, connection: object): Promise<void> {
  return new Promise((resolve) => {
    const closed = () => {
      closing = undefined;
      resolve();
    };
    // Knex listens too, and gives the connection back between these two.
    stream.prependOnceListener('close', () => {
      closing = connection;
      // If a listener throws, those after it are not called.
      queueMicrotask(closed);
    });
    stream.once('close', closed);
  });
}

/** Whether Knex gives this connection back only because a stream has closed. */
export function isGivenBackByStream(connection: object): boolean {
  return connection === closing;
}
