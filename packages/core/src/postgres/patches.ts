import type { PgQuery, PgWire, PreparingClient } from './pgTypes.js';

/*
 * Every method of `pg`, or of a socket below it, that Tenure wraps. Each is wrapped on one object, never on a class, so that clients of other
 * pools stay as they are. A wrapper stays for as long as its object exists, unless the last column says otherwise.
 *
 * | object     | method              | wrapped by                  | why                                                        | restored |
 * | ---------- | ------------------- | --------------------------- | ---------------------------------------------------------- | -------- |
 * | client     | `query`             | borrower.ts                 | counts a borrower's queries; refuses those after a release | never |
 * | client     | `query`             | connection.ts               | gives the errors of a client that has ended their cause    | never; the client is at its end |
 * | client     | `query`             | statements/preparer.ts      | leaves queries alone that the app constructed itself       | never |
 * | client     | `_pulseQueryQueue`  | `onSubmit`, below           | sees each query right before it is sent                    | never |
 * | client     | `_pulseQueryQueue`  | pipeline/answerOrder.ts     | sends a shared read in its order, and nothing else with it | never |
 * | client     | `release`           | pool/pgPool.ts              | returns the client to Tenure's engine, as pg-pool does     | replaced at each checkout |
 * | connection | `emit`              | `guardParser`, below        | separates errors of the app's listeners from parse errors  | never |
 * | connection | `attachListeners`   | `guardParser`, below        | a parse error ends this connection, not the process        | never |
 * | connection | `close`             | statements/preparer.ts      | notices that `pg` closes a statement which Tenure prepared | never |
 * | connection | `describe`          | statements/describeOnce.ts  | asks for the columns of a statement once                   | never |
 * | connection | `connect`           | takeOver.ts                 | "connects" to a socket that is connected already           | never |
 * | socket     | `connect`           | takeOver.ts                 | the same                                                   | before `connect` returns |
 * | socket     | `connect`           | servers.ts                  | tries silent addresses after the others                    | never |
 *
 * Besides, the preparer sets `name` and `callback` of a query that it sends, and takeOver.ts sets `_ending`, `_ended` and `readyForQuery` of
 * a client whose session has been given to another client. All other state about clients is in `PgConnection`.
 */

/**
 * Puts a method of Tenure in front of one of a client, connection or socket. `original` looks the method up at each call, because
 * tools may patch the class even after the client was made.
 */
export function wrapMethod<T extends object, K extends keyof T>(
  target: T,
  name: K,
  wrap: (original: () => T[K]) => T[K],
): void {
  const own = Object.hasOwn(target, name) ? target[name] : undefined;
  const original = () => own ?? Object.getPrototypeOf(target)[name];
  Object.defineProperty(target, name, { value: wrap(original), writable: true, configurable: true, enumerable: false });
}

/** Called with a query at the last moment: after tools may have rewritten it, and before it is written to the socket. */
export interface SubmitListener {
  before(query: PgQuery): void;
  after?(): void;
}

/**
 * Calls a listener for each query that a client sends. The method `query` would be too early: there a query is still a text or a
 * configuration. Tools that patch the class may rewrite it, and `pg` has yet to make a query with callback and time limit of it.
 */
export function onSubmit(client: PreparingClient, listener: SubmitListener): void {
  wrapMethod(client, '_pulseQueryQueue', (original) => () => {
    const next = client.readyForQuery === true ? client._queryQueue[0] : undefined;
    if (next === undefined) return original().call(client);
    listener.before(next);
    try {
      original().call(client);
    } finally {
      listener.after?.();
    }
  });
}

type Listener = (chunk: unknown) => void;

/** The parts between a socket and the listeners of a connection. They are internal to `pg`, and therefore optional. */
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

/** The data is not PostgreSQL's protocol; the `cause` is the parser's error. */
class ProtocolError extends Error {
  override name = 'ProtocolError';

  constructor(cause: Error) {
    super(`The server sent what is not PostgreSQL's protocol: ${cause.message}`, { cause });
  }
}

/**
 * Makes a protocol error end the one connection that it arrived on. The parser of `pg` throws it into the socket's event, where
 * it cannot be caught: a broken server or proxy, or one with another protocol, would end the process.
 *
 * Call it before the client connects.
 */
export function guardParser(wire: PgWire): void {
  const parsing = wire as ParsingWire;
  if (parsing.attachListeners === undefined) return;
  /** Errors that listeners threw: bugs of the app, which must surface as they do with `pg`. */
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
