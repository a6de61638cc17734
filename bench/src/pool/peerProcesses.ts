import { compile } from '@tenure/replay/processes/compile.js';
import { startAsked } from '../askedProcess.js';
import type { Load } from './load.js';
import type { PeerKind } from './peers/peer.js';

const SOURCE = new URL('./peerProcess.ts', import.meta.url);
const ENTRY = new URL('../../dist/peerProcess.js', import.meta.url);

/** A peer, in a process of its own. */
export interface PeerProcess {
  readonly name: string;
  /** Nanoseconds of CPU time per acquire and release. */
  cost(load: Load): Promise<number>;
  stop(): void;
}

export async function startPeers(kinds: readonly PeerKind[]): Promise<PeerProcess[]> {
  await compile(SOURCE, ENTRY);
  return Promise.all(kinds.map(({ name }) => startPeer(name)));
}

async function startPeer(name: string): Promise<PeerProcess> {
  const { ask, stop } = await startAsked<Load, number>(ENTRY, name, [name]);
  return { name, cost: ask, stop };
}
