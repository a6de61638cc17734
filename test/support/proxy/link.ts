import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** The speed of a network. May be changed at any time. */
export interface Pace {
  /** How long each chunk is delayed, in milliseconds; 0: not at all. */
  latencyMs: number;
  /** Each chunk is passed on in pieces of this many bytes; `Infinity`: whole. */
  pieceBytes: number;
  /** Bytes per second, each way; `Infinity`: no limit. */
  bytesPerSecond: number;
}

/** One client's connection through the proxy, and the one to the server that belongs to it. */
export class Link {
  /** Set when nothing passes any more, neither bytes nor the end of either side. */
  #frozen = false;
  /** How many more bytes of the server pass before the link is cut. */
  #leftToCut = Number.POSITIVE_INFINITY;
  #openEnds: number;

  constructor(
    private readonly client: Socket,
    private readonly server: Socket,
    private readonly pace: Pace,
    onClosed: () => void,
  ) {
    const ends = [client, server];
    this.#openEnds = ends.length;
    for (const end of ends) {
      end.setNoDelay(true);
      end.on('close', () => {
        if (--this.#openEnds === 0) onClosed();
      });
    }
    void this.#carry(client, server, (chunk) => this.#write(server, chunk));
    void this.#carry(server, client, (chunk) => this.#answer(chunk));
  }

  get isFrozen(): boolean {
    return this.#frozen;
  }

  /**
   * Stops all traffic, like a NAT or a firewall that has forgotten the connection: both sides still have it, and neither gets
   * data from the other.
   */
  freeze(): void {
    this.#frozen = true;
  }

  /** Lets this many more bytes of the server through, then ends both connections. */
  cutAfter(bytes: number): void {
    this.#leftToCut = bytes;
  }

  /** Breaks both connections off with a reset. */
  sever(): void {
    this.client.resetAndDestroy();
    this.server.resetAndDestroy();
  }

  async #carry(from: Socket, to: Socket, pass: (chunk: Buffer) => void): Promise<void> {
    try {
      for await (const chunk of from.iterator({ destroyOnReturn: false })) {
        await this.#takeTime(chunk.length);
        const { pieceBytes } = this.pace;
        if (chunk.length > pieceBytes) await this.#passInPieces(chunk, pieceBytes, pass);
        else if (!this.#frozen) pass(chunk);
      }
      if (!this.#frozen) to.end();
    } catch {
      if (!this.#frozen) to.resetAndDestroy();
    }
  }

  async #passInPieces(chunk: Buffer, bytes: number, pass: (piece: Buffer) => void): Promise<void> {
    for (let from = 0; from < chunk.length; from += bytes) {
      if (!this.#frozen) pass(chunk.subarray(from, from + bytes));
      // Otherwise they would be sent, and read, as one.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #answer(chunk: Buffer): void {
    const { client, server } = this;
    if (chunk.length <= this.#leftToCut) {
      this.#leftToCut -= chunk.length;
      return this.#write(client, chunk);
    }
    client.end(chunk.subarray(0, this.#leftToCut));
    server.destroy();
  }

  #write(to: Socket, chunk: Buffer): void {
    if (to.writable) to.write(chunk);
  }

  async #takeTime(bytes: number): Promise<void> {
    const { latencyMs, bytesPerSecond } = this.pace;
    const ms = latencyMs + (bytes / bytesPerSecond) * 1_000;
    if (ms > 0) await sleep(ms);
  }
}
