import { isIP } from 'node:net';
import type { PgClient, PgWire } from './pgTypes.js';

/** The class `Connection` of the client's copy of `pg`. Its types leave out what is used here. */
export type PgConnectionClass = new (config: object) => PgWire;

/** A cancel request could not be sent. */
class CancelError extends Error {
  override name = 'CancelError';
}

export interface CancelOptions {
  /** Limits the time. When it is aborted, the cancel's own socket is destroyed. */
  readonly signal?: AbortSignal | undefined;
  /** The app's own `stream` option, if the client was made with one. */
  readonly stream?: (() => unknown) | undefined;
  /** Lets the process exit although the cancel is in flight. Default: false. */
  readonly exitOnIdle?: boolean;
}

/** The methods of `Connection` for the start of the protocol. They are internal to `pg`, whose `Client.cancel` uses them without TLS. */
interface CancelConnection extends PgWire {
  connect(portOrPath: number | string, host?: string): void;
  requestSsl(): void;
  cancel(processId: unknown, secretKey: unknown): void;
}

/**
 * Sends a request to cancel the query in flight on a client, on a socket of its own. This opens no session and takes no slot of
 * the server.
 *
 * Resolves when the server has closed that socket, which it does after it has signalled the session. From then on, the cancel can
 * hit a later query only until the session's ReadyForQuery, which the caller must await (`reset` with `settle`). That wait needs
 * a limit, because a cancel that overtakes its query is lost.
 */
export function cancelRequest(
  Connection: PgConnectionClass,
  client: PgClient,
  { signal, stream, exitOnIdle }: CancelOptions = {},
): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const { processID, secretKey, sslNegotiation } = client;
    if (processID == null) throw new CancelError('Only a connected client, and not a native one, can be cancelled');
    const { host, port, ssl } = stream === undefined ? serverOf(client) : client;
    const connection = new Connection({ ssl, sslNegotiation, stream }) as CancelConnection;
    if (exitOnIdle) connection.stream.unref?.();
    let sent = false;

    const send = () => {
      connection.cancel(processID, secretKey);
      sent = true;
    };
    const finish = (settle: () => void) => {
      signal?.removeEventListener('abort', onAbort);
      connection.stream.destroy();
      settle();
    };
    const fail = (error: unknown) => finish(() => reject(error));
    const onAbort = () => fail(signal?.reason);

    connection.on('connect', () => {
      if (!ssl) send();
      else if (sslNegotiation !== 'direct') connection.requestSsl();
    });
    // The handshake has only begun at this point; written data waits for it.
    connection.on('sslconnect', send);
    connection.on('error', fail);
    connection.on('end', () => {
      if (sent) finish(resolve);
      else fail(new CancelError('The server closed the connection before it took the cancel request'));
    });
    signal?.addEventListener('abort', onAbort);
    if (host?.startsWith('/')) connection.connect(`${host}/.s.PGSQL.${port}`);
    else connection.connect(port!, host);
  });
}

/** A process ID that no backend can have. */
const NO_BACKEND = 2 ** 31 - 1;

/**
 * Checks whether the server of a silent session answers at all. It sends a cancel request that names no session, which opens
 * none, takes no slot, goes to the same address, and is answered by poolers too. Resolves when the server has answered.
 */
export async function probe(client: PgClient, options: CancelOptions): Promise<void> {
  if (client.connection === undefined) throw new CancelError('A native client does not say where its server is');
  const Connection = client.connection.constructor as PgConnectionClass;
  const withoutSession = Object.create(client, { processID: { value: NO_BACKEND }, secretKey: { value: 0 } });
  await cancelRequest(Connection, withoutSession, { ...options, exitOnIdle: true });
}

type Server = Pick<PgClient, 'host' | 'port' | 'ssl'>;

/** The server of the session, by address, because its name may stand for several. TLS still checks the name. */
function serverOf({ connection, host, port, ssl }: PgClient): Server {
  const { remoteAddress, remotePort } = connection?.stream ?? {};
  if (remoteAddress === undefined) return { host, port, ssl };
  return { host: remoteAddress, port: remotePort, ssl: ssl && named(ssl, host) };
}

function named(ssl: true | object, host: string | undefined): true | object {
  if (host === undefined || isIP(host)) return ssl;
  const options = ssl === true ? {} : ssl;
  // The private key is copied by name: `pg` hides it from enumeration, so the spread leaves it out.
  return { ...options, ...('key' in options && { key: options.key }), servername: host };
}
