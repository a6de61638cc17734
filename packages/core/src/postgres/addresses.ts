import dns, { type LookupAddress } from 'node:dns';
import { type LookupFunction, Socket } from 'node:net';
import type { PgClient, PgFirstWord } from './pgTypes.js';

/** An address that has left a connect unanswered for this long is tried after the others of its name. */
const SILENT_MS = 400;
/** After this long it has its place again. */
const FORGOTTEN_MS = 60_000;

const FIRST_WORDS: readonly PgFirstWord[] = [
  'authenticationOk',
  'authenticationSASL',
  'authenticationMD5Password',
  'authenticationCleartextPassword',
  'errorMessage',
];

interface Tried {
  /** When a connect was last begun. */
  readonly at: number;
  /** Since when no connect has been answered. */
  readonly silentSince: number;
}

/**
 * The addresses that connects went to and that have not answered yet. Node tries the addresses of a name in order until one accepts the
 * connect; one that accepts and never answers, as a proxy without a server may, would swallow every connect.
 */
export class Addresses {
  readonly #tried = new Map<string, Tried>();

  /** Has a client, which has not connected yet, try the addresses of its host in this order. A stream of the app's own goes its own way. */
  lead({ connection }: PgClient): void {
    const stream: unknown = connection?.stream;
    if (connection === undefined || !(stream instanceof Socket) || stream.connect !== Socket.prototype.connect) return;
    const { connect } = stream;
    stream.connect = (...args: unknown[]) => {
      const [port, host] = args;
      const isNamed = typeof port === 'number' && typeof host === 'string';
      return Reflect.apply(connect, stream, isNamed ? [{ port, host, lookup: this.#lookUp }] : args);
    };
    stream.once('connect', () => {
      const { remoteAddress = '' } = stream;
      this.#begun(remoteAddress);
      for (const word of FIRST_WORDS) connection.once(word, () => this.#tried.delete(remoteAddress));
    });
  }

  readonly #lookUp: LookupFunction = (host, options, callback) => {
    dns.lookup(host, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, []);
      const addresses = this.#inOrder(found);
      // Which of the two it is depends on Node's version and settings.
      if (options.all) callback(null, addresses);
      else callback(null, addresses[0]!.address, addresses[0]!.family);
    });
  };

  #begun(address: string): void {
    const at = performance.now();
    for (const [known, tried] of this.#tried) if (at - tried.at > FORGOTTEN_MS) this.#tried.delete(known);
    this.#tried.set(address, { at, silentSince: this.#tried.get(address)?.silentSince ?? at });
  }

  /** As the system has them; then the silent ones, beginning with the one that has been left alone for longest. */
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
