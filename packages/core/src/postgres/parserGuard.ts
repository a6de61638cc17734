import { wrapMethod } from './patches.js';
import type { PgWire } from './pgTypes.js';

type Listener = (chunk: unknown) => void;

/** What lies between a socket and the listeners of a connection; internal to `pg`, and optional therefore. */
interface ParsingWire extends PgWire {
  attachListeners?(stream: ChunkStream): void;
  emit(event: string, ...args: unknown[]): boolean;
}

interface ChunkStream {
  listeners(event: 'data'): Listener[];
  on(event: 'data', listener: Listener): unknown;
  removeListener(event: 'data', listener: Listener): unknown;
  destroy(): unknown;
}

/** What arrived is not PostgreSQL's protocol; the `cause` is the parser's error. */
class ProtocolError extends Error {
  override name = 'ProtocolError';

  constructor(cause: Error) {
    super(`The server sent what is not PostgreSQL's protocol: ${cause.message}`, { cause });
  }
}

/**
 * Makes a protocol error end the one connection that it arrived on. The parser of `pg` throws it into the socket's event, where nobody can
 * catch it: a broken server or proxy, or one that speaks another protocol, would end the process.
 *
 * To be called before the client connects.
 */
export function guardParser(wire: PgWire): void {
  const parsing = wire as ParsingWire;
  if (parsing.attachListeners === undefined) return;
  /** Errors that listeners threw: bugs of the app, which are to surface as they do with `pg`. */
  const thrownByListeners = new WeakSet<object>();
  const { emit } = parsing;
  wrapMethod(parsing, 'emit', () => (...args) => {
    try {
      return emit.apply(parsing, args);
    } catch (error) {
      if (typeof error === 'object' && error !== null) thrownByListeners.add(error);
      throw error;
    }
  });
  wrapMethod(parsing, 'attachListeners', (original) => (stream) => {
    const before = stream.listeners('data');
    original()!.call(parsing, stream);
    for (const parse of stream.listeners('data').filter((listener) => !before.includes(listener))) {
      stream.removeListener('data', parse);
      stream.on('data', (chunk) => {
        try {
          parse.call(stream, chunk);
        } catch (error) {
          if (!(error instanceof Error) || thrownByListeners.has(error)) throw error;
          stream.destroy();
          emit.call(parsing, 'error', new ProtocolError(error));
        }
      });
    }
  });
}
