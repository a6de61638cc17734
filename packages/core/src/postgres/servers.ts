import dns, { type LookupAddress } from 'node:dns';
import { type LookupFunction, Socket } from 'node:net';
import type { ServerTarget } from '../pool/connector.js';
import { classifyConnectError } from './failures.js';
import { wrapMethod } from './patches.js';
import type { PgClient, PgFirstMessage } from './pgTypes.js';

/** The place of a session, or of a refused connect. */
interface Location {
  /** The address of the connection, since two names may lead to one server. */
  readonly server: string;
  readonly user: string | undefined;
  readonly database: string | undefined;
}

/** Where a client is connected, as far as its fields show it. */
export function locationOf({ connection, host, port, user, database }: PgClient): Location {
  const { remoteAddress, remotePort } = connection?.stream ?? {};
  // A Unix socket, or the app's own stream, has no address.
  const server = remoteAddress === undefined ? `${host}:${port}` : `${remoteAddress}:${remotePort}`;
  return { server, user, database };
}

/** Where a client connects to, by its own fields. A client of the app's own class may have others. */
export function serverOf({
  host,
  port,
  database,
}: {
  host?: unknown;
  port?: unknown;
  database?: unknown;
}): ServerTarget {
  return {
    ...(typeof host === 'string' && host !== '' && { serverAddress: host }),
    ...(Number.isInteger(port) && { serverPort: port as number }),
    ...(typeof database === 'string' && database !== '' && { database }),
  };
}

/**
 * Whose limit was reached. It shows in the function of PostgreSQL that raised the error, since messages are translated, or in the
 * name of PgBouncer's setting.
 */
function limitOf({ routine, message }: { routine?: unknown; message?: unknown }): 'server' | 'user' | 'database' {
  if (routine === 'InitializeSessionUserId' || String(message).includes('(max_user_')) return 'user';
  if (routine === 'CheckMyDatabase' || String(message).includes('(max_db_')) return 'database';
  return 'server';
}

/** An address that has left a connect unanswered for this long is tried after the others of its name. */
const SILENT_MS = 400;
/** After this time its silence does not count any more. */
const FORGOTTEN_MS = 60_000;

/** The first messages of a server. */
const FIRST_MESSAGES: readonly PgFirstMessage[] = [
  'authenticationOk',
  'authenticationSASL',
  'authenticationMD5Password',
  'authenticationCleartextPassword',
  'errorMessage',
];

/** A silent address. */
interface Tried {
  /** When its last connect began. */
  readonly at: number;
  /** The start of the oldest connect since its last answer. */
  readonly silentSince: number;
}

/** A connector's record of its servers: which addresses stay silent, and where a full server refused a client. */
export class Servers {
  readonly #tried = new Map<string, Tried>();
  /** Where a full server refused a client, by the error. */
  readonly #refusedAt = new WeakMap<object, Location>();
  #target: ServerTarget | undefined;

  /** The target of the last client. */
  get target(): ServerTarget | undefined {
    return this.#target;
  }

  /** Call this before the client connects: its socket has not connected yet, and after a refusal it has lost its address. */
  observe(client: PgClient): void {
    this.#target = serverOf(client);
    this.#orderAddresses(client);
    client.connection?.on('errorMessage', (error) => {
      if (classifyConnectError(error) === 'full') this.#refusedAt.set(error, locationOf(client));
    });
  }

  /**
   * Whether the end of this connection, which may belong to another pool, makes room for a refused client. It must be on the same
   * server, and have the same role or database if the limit is that of the role or the database.
   */
  makesRoom(error: unknown, client: PgClient): boolean {
    const refused = typeof error === 'object' && error !== null ? this.#refusedAt.get(error) : undefined;
    if (refused === undefined) return false;
    const location = locationOf(client);
    if (location.server !== refused.server) return false;
    const limit = limitOf(error as { routine?: unknown; message?: unknown });
    return limit === 'server' || location[limit] === refused[limit];
  }

  /**
   * Tries the silent addresses of a host after the others. Node tries the addresses of a name in order until one accepts the
   * connect. One that accepts and never answers, such as a proxy without a server, would take every connect. A stream of the
   * app's own is left alone.
   */
  #orderAddresses({ connection }: PgClient): void {
    const stream: unknown = connection?.stream;
    if (connection === undefined || !(stream instanceof Socket) || stream.connect !== Socket.prototype.connect) return;
    wrapMethod(stream, 'connect', (original) => (...args: unknown[]) => {
      const [port, host] = args;
      const isNamed = typeof port === 'number' && typeof host === 'string';
      return Reflect.apply(original(), stream, isNamed ? [{ port, host, lookup: this.#lookUp }] : args);
    });
    stream.once('connect', () => {
      const { remoteAddress = '' } = stream;
      this.#connected(remoteAddress);
      for (const message of FIRST_MESSAGES) connection.once(message, () => this.#tried.delete(remoteAddress));
    });
  }

  readonly #lookUp: LookupFunction = (host, options, callback) => {
    dns.lookup(host, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, []);
      const addresses = this.#inOrder(found);
      // Node's version and settings decide whether it requests all addresses.
      if (options.all) callback(null, addresses);
      else callback(null, addresses[0]!.address, addresses[0]!.family);
    });
  };

  #connected(address: string): void {
    const at = performance.now();
    for (const [known, tried] of this.#tried) if (at - tried.at > FORGOTTEN_MS) this.#tried.delete(known);
    this.#tried.set(address, { at, silentSince: this.#tried.get(address)?.silentSince ?? at });
  }

  /** The addresses in the system's order, then the silent ones, of which the one tried longest ago comes first. */
  #inOrder(addresses: readonly LookupAddress[]): LookupAddress[] {
    const now = performance.now();
    const rank = ({ address }: LookupAddress) => {
      const tried = this.#tried.get(address);
      const isSilent = tried && now - tried.silentSince > SILENT_MS && now - tried.at <= FORGOTTEN_MS;
      return isSilent ? tried.at : 0;
    };
    return [...addresses].sort((one, other) => rank(one) - rank(other));
  }
}
