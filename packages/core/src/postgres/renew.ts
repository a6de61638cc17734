import { soon } from '../pool/clock.js';
import { expectEnd, parametersOf } from './connection.js';
import type { PgClient, PgConnection, PgStream } from './pgTypes.js';

/** The parts of a socket, client and connection that are used here; internal to `pg`. */
type Listener = (...args: unknown[]) => void;
interface Socket extends PgStream {
  connect?: unknown;
  eventNames(): (string | symbol)[];
  rawListeners(event: string | symbol): Listener[];
  listeners(event: 'data'): Listener[];
  removeListener(event: string | symbol, listener: Listener): unknown;
}
interface Connection extends PgConnection {
  readonly stream: PgStream & Socket;
  connect(port: unknown, host: unknown): void;
  emit(event: string, message?: object): boolean;
  removeAllListeners(): unknown;
}
type ConnectionClass = new (config: { stream: () => unknown }) => Connection;

/** What each connection of ours has put on its socket. */
const attached = new WeakMap<object, [string | symbol, Listener][]>();

/** Whether the session of this client can be given to another client. */
export function isRenewable({ connection, processID }: PgClient): boolean {
  return (
    connection !== undefined &&
    typeof (connection.stream as Partial<Socket>).rawListeners === 'function' &&
    processID != null
  );
}

/**
 * Makes a connection over the socket of a client's, for a new client to be made with. The new one, when it connects, finds itself connected
 * to the session of the old one, which must be idle. The old one is at its end, as if it had been closed: whoever still has it cannot reach
 * the session, and nothing that was put on it (listeners, properties, parsers, names of statements) reaches anyone.
 */
export function takeConnection(old: PgClient): PgConnection {
  const from = old.connection as Connection;
  const { stream } = from;
  const greeting = { parameters: parametersOf(old), key: { processID: old.processID, secretKey: old.secretKey } };
  detach(old, from);
  const connection = new (from.constructor as ConnectionClass)({ stream: () => stream });
  const { connect } = connection;
  connection.connect = (port, host) => {
    attach(stream, connection, () => connect.call(connection, port, host));
    // Once the client listens, which it begins to do after this call.
    soon(() => greet(connection, greeting));
  };
  return connection;
}

/** What a server says when a session begins. */
function greet(
  connection: Connection,
  { parameters, key }: { parameters: ReadonlyMap<string, string>; key: object },
): void {
  for (const [parameterName, parameterValue] of parameters)
    connection.emit('parameterStatus', { parameterName, parameterValue } as object);
  connection.emit('backendKeyData', key);
  connection.emit('readyForQuery', { status: 'I' } as object);
}

function attach(stream: Socket, connection: object, connect: () => void): void {
  const before = listenersOf(stream);
  const own = Object.getOwnPropertyDescriptor(stream, 'connect');
  // The socket is connected.
  Object.defineProperty(stream, 'connect', { value: () => stream, configurable: true });
  try {
    connect();
  } finally {
    if (own) Object.defineProperty(stream, 'connect', own);
    else delete stream.connect;
  }
  const isNew = ([, listener]: [unknown, Listener]) => !before.some(([, known]) => known === listener);
  attached.set(connection, listenersOf(stream).filter(isNew));
}

function detach(old: PgClient, from: Connection): void {
  expectEnd(old);
  const { stream } = from;
  for (const [event, listener] of attached.get(from) ?? []) stream.removeListener(event, listener);
  for (const listener of stream.listeners('data')) stream.removeListener('data', listener);
  // The first connection of a socket keeps listening to its errors and its end, and tells nobody.
  from.removeAllListeners();
  from.on('error', () => {});
  Object.assign(old, { _ending: true, _ended: true, readyForQuery: false });
  soon(() => (old as unknown as { emit(event: 'end'): void }).emit('end'));
}

function listenersOf(stream: Socket): [string | symbol, Listener][] {
  return stream.eventNames().flatMap((event) => {
    return stream.rawListeners(event).map((listener): [string | symbol, Listener] => [event, listener]);
  });
}
