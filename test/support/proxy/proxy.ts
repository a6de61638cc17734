import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Link, type Pace } from './link.js';

const HOST = '127.0.0.1';

/** The target of a proxy. */
export interface Upstream {
  readonly host: string;
  readonly port: number;
}

/**
 * How new connections are treated.
 *
 * - `served`: they reach the server, after `connectDelayMs`.
 * - `reset`: they are reset, as if there were no server, but counted.
 * - `silent`: they are accepted, and get no data.
 */
export type Arrivals = 'served' | 'reset' | 'silent';

/** A network between a client and a server, with the faults of real networks. */
export class FaultProxy implements AsyncDisposable, Pace {
  readonly host = HOST;
  /** When each client connected, by `performance.now()`. */
  readonly connects: number[] = [];
  arrivals: Arrivals = 'served';
  /** The number of next connections that are silent, whatever `arrivals` is. */
  swallowNext = 0;
  /** How long a new connection takes to reach the server, in milliseconds. */
  connectDelayMs = 0;
  latencyMs = 0;
  pieceBytes = Number.POSITIVE_INFINITY;
  bytesPerSecond = Number.POSITIVE_INFINITY;
  /** Most connections that were open at once, frozen ones left out. */
  mostOpen = 0;

  readonly #server = createServer({ allowHalfOpen: true }, (client) => void this.#accept(client));
  readonly #links = new Set<Link>();
  /** Clients without a link: not yet, or never. */
  readonly #unserved = new Set<Socket>();
  #upstream: Upstream;

  constructor(upstream: Upstream) {
    this.#upstream = upstream;
  }

  /** Listens on a port: a free one the first time, the same one later. */
  async listen(): Promise<void> {
    if (this.#server.listening) return;
    this.#server.listen(this.#port, HOST);
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  #port = 0;

  get port(): number {
    return this.#port;
  }

  /** Connections that reach the server now, frozen ones left out. */
  get open(): number {
    return [...this.#links].filter(({ isFrozen }) => !isFrozen).length;
  }

  /** Sends new connections to another server. Open ones stay where they are. */
  retarget({ host, port }: Upstream): void {
    this.#upstream = { host, port };
  }

  /** Stops listening: connects are refused. Open connections stay open. */
  stopListening(): void {
    this.#server.close();
  }

  /** Makes open connections half-open, all or the first so many: bytes and ends are dropped both ways. Later connections are not affected. */
  freeze(count = Number.POSITIVE_INFINITY): void {
    for (const link of [...this.#links].slice(0, count)) link.freeze();
  }

  /** Lets this many more bytes of the server through on each open connection, then ends it: in mid-message, if the number is small. */
  cutAfter(bytes: number): void {
    for (const link of this.#links) link.cutAfter(bytes);
  }

  /** Resets every connection, frozen ones and silent ones too. */
  sever(): void {
    for (const link of this.#links) link.sever();
    for (const client of this.#unserved) client.resetAndDestroy();
  }

  /** Ends all faults for new connections. */
  heal(): void {
    this.arrivals = 'served';
    this.swallowNext = 0;
    this.connectDelayMs = this.latencyMs = 0;
    this.bytesPerSecond = this.pieceBytes = Number.POSITIVE_INFINITY;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = this.#server.listening && once(this.#server, 'close');
    this.#server.close();
    this.sever();
    await closed;
  }

  async #accept(client: Socket): Promise<void> {
    this.connects.push(performance.now());
    client.on('error', () => {});
    if (this.arrivals === 'reset') return void client.resetAndDestroy();
    this.#unserved.add(client);
    client.on('close', () => this.#unserved.delete(client));
    if (this.arrivals === 'silent' || this.swallowNext > 0) {
      this.swallowNext = Math.max(0, this.swallowNext - 1);
      return void client.resume();
    }
    if (this.connectDelayMs > 0) await sleep(this.connectDelayMs);
    if (client.destroyed) return;
    const server = connect({ ...this.#upstream, allowHalfOpen: true });
    server.on('error', () => {});
    const link = new Link(client, server, this, () => this.#links.delete(link));
    this.#unserved.delete(client);
    this.#links.add(link);
    this.mostOpen = Math.max(this.mostOpen, this.open);
  }
}

/** Starts a proxy before a server. */
export async function startProxy(upstream: Upstream): Promise<FaultProxy> {
  const proxy = new FaultProxy(upstream);
  await proxy.listen();
  return proxy;
}
