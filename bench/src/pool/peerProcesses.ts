import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { compile } from '@tenure/replay/processes/compile.js';
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
  return kinds.map(({ name }) => startPeer(name));
}

function startPeer(name: string): PeerProcess {
  const child = fork(fileURLToPath(ENTRY), [name], { execArgv: [] });
  const died = once(child, 'exit').then(() => {
    throw new Error(`The process of ${name} has ended.`);
  });
  died.catch(() => {});
  return {
    name,
    cost: async (load) => {
      const answer = once(child, 'message');
      child.send(load);
      const [ns] = await Promise.race([answer, died]);
      return ns as number;
    },
    stop: () => {
      if (child.connected) child.disconnect();
    },
  };
}
