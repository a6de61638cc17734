import { Bench } from 'tinybench';
import { MAX, type Peer } from './peers/peer.js';

export interface Load {
  readonly callers: number;
  /** Acquires and releases in one sample. */
  readonly operations: number;
}

/** Nanoseconds per acquire and release. */
export async function cost(peer: Peer, { callers, operations }: Load): Promise<number> {
  const bench = new Bench({ iterations: 5, time: 0, warmup: false });
  bench.add(peer.name, () => takeTurns(peer, callers, operations), { beforeEach: () => warmUp(peer) });
  const [task] = await bench.run();
  const result = task?.result;
  if (result?.state !== 'completed') throw new Error(`${peer.name} did not finish: ${JSON.stringify(result)}`);
  return (result.latency.p50 * 1e6) / operations;
}

/** Opens every connection, and lets the pool have heard from each a moment ago. */
async function warmUp({ acquire, release }: Peer): Promise<void> {
  const connections = await Promise.all(Array.from({ length: MAX }, acquire));
  for (const connection of connections) release(connection);
}

/** `callers` callers side by side take a connection and give it back, until they have done so `times` times together. */
async function takeTurns({ acquire, release }: Peer, callers: number, times: number): Promise<void> {
  const each = Math.ceil(times / callers);
  const caller = async () => {
    for (let turn = 0; turn < each; turn++) release(await acquire());
  };
  await Promise.all(Array.from({ length: callers }, caller));
}
