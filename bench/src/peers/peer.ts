/** A pool under test: what every pool can do, and nothing else. */
export interface Peer {
  readonly name: string;
  acquire(): Promise<object>;
  release(connection: object): void;
  close(): Promise<unknown>;
}

/** Connections each pool may open. */
export const MAX = 10;
