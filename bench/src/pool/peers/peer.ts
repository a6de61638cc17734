/** A pool under test: what every pool can do, and nothing else. */
export interface Peer {
  readonly name: string;
  acquire(): Promise<object>;
  release(connection: object): void;
  close(): Promise<unknown>;
}

/** Makes a pool that opens `max` stub connections at most, and is as it is by default else. */
export interface PeerKind {
  readonly name: string;
  open(max: number): Peer;
  /** A connection as the pool is given it. */
  stub(): object;
}

/** Connections each pool may open, where nothing else is said. */
export const MAX = 10;
