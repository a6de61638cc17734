import { soon } from '../pool/clock.js';
import { connectionOf } from './connection.js';
import { wrapMethod } from './patches.js';
import type { PgClient, PgStream, PgWire, SocketListener } from './pgTypes.js';

/** The parts of a socket, client and connection that are used here; internal to `pg`. */
type Listener = SocketListener[1];
interface Socket extends PgStream {
  connect?: unknown;
  eventNames(): (string | symbol)[];
  rawListeners(event: string | symbol): Listener[];
  listeners(event: 'data'): Listener[];
  removeListener(event: string | symbol, listener: Listener): unknown;
}
interface Wire extends PgWire {
  readonly stream: PgStream & Socket;
  connect(port: unknown, host: unknown): void;
  emit(event: string, message?: object): boolean;
  removeAllListeners(): unknown;
}
type WireClass = new (config: { stream: () => unknown }) => Wire;

/** A connection over the socket of a taken-over client, for a new client. */
export interface TakenOver {
  readonly wire: PgWire;
  /** The listeners that the wire adds to the socket; empty until it has connected. */
  readonly socketListeners: SocketListener[];
}

/** Whether the session of this client can be given to another client. */
export function canBeTakenOver({ connection, processID }: PgClient): boolean {
  return (
    connection !== undefined &&
    typeof (connection.stream as Partial<Socket>).rawListeners === 'function' &&
    processID != null
  );
}

/**
 * Makes a connection over the socket of a client, whose session must be idle. A new client that is made with it connects to the
 * session of the old one. The old client ends as if it had been closed. The app cannot reach the session through it any more, and
 * the next borrower gets nothing that was put on it: listeners, properties, parsers, names of statements.
 */
export function takeOver(old: PgClient): TakenOver {
  const from = old.connection as Wire;
  const { stream } = from;
  const { parameters } = connectionOf(old);
  const key = { processID: old.processID, secretKey: old.secretKey };
  detach(old, from);
  const wire = new (from.constructor as WireClass)({ stream: () => stream });
  const socketListeners: SocketListener[] = [];
  wrapMethod(wire, 'connect', (original) => (port, host) => {
    socketListeners.push(...addedBy(stream, () => original().call(wire, port, host)));
    // Runs after this call, because the client adds its listeners only then.
    soon(() => greet(wire, parameters, key));
  });
  return { wire, socketListeners };
}

/** Emits the first messages of a session. */
function greet(wire: Wire, parameters: ReadonlyMap<string, string>, key: object): void {
  for (const [parameterName, parameterValue] of parameters)
    wire.emit('parameterStatus', { parameterName, parameterValue });
  wire.emit('backendKeyData', key);
  wire.emit('readyForQuery', { status: 'I' });
}

/** The listeners that `connect` adds to a socket, which is connected already. */
function addedBy(stream: Socket, connect: () => void): SocketListener[] {
  const before = listenersOf(stream);
  const own = Object.getOwnPropertyDescriptor(stream, 'connect');
  Object.defineProperty(stream, 'connect', { value: () => stream, configurable: true });
  try {
    connect();
  } finally {
    if (own) Object.defineProperty(stream, 'connect', own);
    else delete stream.connect;
  }
  return listenersOf(stream).filter(([, listener]) => !before.some(([, known]) => known === listener));
}

function detach(old: PgClient, from: Wire): void {
  const connection = connectionOf(old);
  connection.expectEnd();
  const { stream } = from;
  for (const [event, listener] of connection.socketListeners) stream.removeListener(event, listener);
  for (const listener of stream.listeners('data')) stream.removeListener('data', listener);
  // The first connection of a socket keeps its listeners for errors and the end, and must not emit these on the old client.
  from.removeAllListeners();
  from.on('error', () => {});
  Object.assign(old, { _ending: true, _ended: true, readyForQuery: false });
  soon(() => (old as PgClient & { emit(event: 'end'): void }).emit('end'));
}

function listenersOf(stream: Socket): SocketListener[] {
  return stream.eventNames().flatMap((event) => {
    return stream.rawListeners(event).map((listener): SocketListener => [event, listener]);
  });
}
