/** A pool under test, with the methods that every pool has. */
export interface Peer {
  readonly name: string;
  acquire(): Promise<object>;
  release(connection: object): void;
  close(): Promise<unknown>;
}

/** Makes a pool that opens at most `max` stub connections, with the defaults of its library. */
export interface PeerKind {
  readonly name: string;
  open(max: number): Peer;
  /** A connection of the kind that this pool expects. */
  stub(): object;
}

/** The most connections of each pool, unless a load says otherwise. */
export const MAX = 10;
