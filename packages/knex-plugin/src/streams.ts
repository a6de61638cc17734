import type { Duplex } from 'node:stream';

/** The connection whose stream is calling its `close` listeners now. Knex returns the connection in one of them, synchronously. */
let closing: object | undefined;

/**
 * Runs a query whose rows go to a stream, so that its connection is returned exactly once: when the rows have been read from the
 * server, or when the stream closes before that.
 *
 * Knex alone returns the connection at both moments. At the later one, another borrower may hold it. And if the stream was closed
 * before its connection was acquired, neither moment comes.
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
    // Knex has a listener as well, and returns the connection between these two.
    stream.prependOnceListener('close', () => {
      closing = connection;
      // Also clears the mark if a listener throws, since the later listeners are then not called.
      queueMicrotask(closed);
    });
    stream.once('close', closed);
  });
}

/** Whether Knex returns this connection only because a stream has closed. */
export function isGivenBackByStream(connection: object): boolean {
  return connection === closing;
}
