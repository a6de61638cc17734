import { MAX, type Peer } from './peers/peer.js';

/** Opens every connection, and lets the pool have heard from each a moment ago. */
export async function warmUp({ acquire, release }: Peer): Promise<void> {
  const connections = await Promise.all(Array.from({ length: MAX }, acquire));
  for (const connection of connections) release(connection);
}

/** `callers` callers side by side take a connection and give it back, until they have done so `times` times together. */
export async function takeTurns({ acquire, release }: Peer, callers: number, times: number): Promise<void> {
  const each = Math.ceil(times / callers);
  const caller = async () => {
    for (let turn = 0; turn < each; turn++) release(await acquire());
  };
  await Promise.all(Array.from({ length: callers }, caller));
}
