import { builtFile } from '@tenure/replay/output/folders.js';
import { compile } from '@tenure/replay/processes/compile.js';
import { startAsked } from '../askedProcess.js';
import type { Load } from './load.js';
import type { PeerKind } from './peers/peer.js';

const SOURCE = new URL('./peerProcess.ts', import.meta.url);
const ROOT = new URL('../../', import.meta.url);

/** A peer, in a process of its own. */
export interface PeerProcess {
  readonly name: string;
  /** Nanoseconds of CPU time for each acquire and release. */
  cost(load: Load): Promise<number>;
  stop(): void;
}

export async function startPeers(kinds: readonly PeerKind[]): Promise<PeerProcess[]> {
  const entry = await builtFile('peerProcess.js', ROOT);
  await compile(SOURCE, entry);
  return Promise.all(kinds.map(({ name }) => startPeer(entry, name)));
}

async function startPeer(entry: URL, name: string): Promise<PeerProcess> {
  const { ask, stop } = await startAsked<Load, number>(entry, name, [name]);
  return { name, cost: ask, stop };
}
