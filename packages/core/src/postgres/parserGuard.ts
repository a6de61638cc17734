import type { PgConnection } from './pgTypes.js';

type Listener = (chunk: unknown) => void;

/** What lies between a socket and the listeners of a connection; internal to `pg`, and optional therefore. */
interface ParsingConnection extends PgConnection {
  attachListeners?(stream: ChunkStream): void;
  emit(event: string, ...args: unknown[]): boolean;
}

interface ChunkStream {
  listeners(event: 'data'): Listener[];
  on(event: 'data', listener: Listener): unknown;
  removeListener(event: 'data', listener: Listener): unknown;
  destroy(): unknown;
}

/** What arrived is not PostgreSQL's protocol; the `cause` is what the parser said. */
class NonsenseError extends Error {
  override name = 'NonsenseError';

  constructor(cause: Error) {
    super(`The server sent what is not PostgreSQL's protocol: ${cause.message}`, { cause });
  }
}

/**
 * Makes nonsense from the server the end of that one connection. The parser of `pg` throws over it, into the socket's event, where nobody can
 * catch it: a broken server or proxy, or one that speaks another protocol, would end the process.
 *
 * To be called before the client connects.
 */
export function guardParser(connection: PgConnection): void {
  const parsing = connection as ParsingConnection;
  const { attachListeners, emit } = parsing;
  if (attachListeners === undefined) return;
  /** What listeners threw: bugs of the app's, which are to surface as they do with `pg`. */
  const thrownByListeners = new WeakSet<object>();
  parsing.emit = (...args) => {
    try {
      return emit.apply(parsing, args);
    } catch (error) {
      if (typeof error === 'object' && error !== null) thrownByListeners.add(error);
      throw error;
    }
  };
  parsing.attachListeners = (stream) => {
    const before = stream.listeners('data');
    attachListeners.call(parsing, stream);
    for (const parse of stream.listeners('data').filter((listener) => !before.includes(listener))) {
      stream.removeListener('data', parse);
      stream.on('data', (chunk) => {
        try {
          parse.call(stream, chunk);
        } catch (error) {
          if (!(error instanceof Error) || thrownByListeners.has(error)) throw error;
          stream.destroy();
          emit.call(parsing, 'error', new NonsenseError(error));
        }
      });
    }
  };
}
