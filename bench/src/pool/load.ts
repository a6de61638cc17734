import { Bench } from 'tinybench';
import type { Peer } from './peers/peer.js';

export interface Load {
  readonly callers: number;
  /** Connections that are open at the start. */
  readonly open: number;
  /** Acquires and releases in one sample. */
  readonly operations: number;
}

/** Nanoseconds of CPU time for each acquire and release. CPU time leaves out other programs of the machine, and nothing waits for I/O here. */
export async function cost(peer: Peer, { callers, open, operations }: Load): Promise<number> {
  const bench = new Bench({ iterations: 5, time: 0, warmup: false, now: cpuMs });
  // No collection is forced before: V8 would drop the compiled code of peers whose turn was long ago.
  bench.add(peer.name, () => takeTurns(peer, callers, operations), { beforeEach: () => warmUp(peer, open) });
  const [task] = await bench.run();
  const result = task?.result;
  if (result?.state !== 'completed') throw new Error(`${peer.name} did not finish: ${JSON.stringify(result)}`);
  return (result.latency.p50 * 1e6) / operations;
}

/** CPU time of this process, including the threads of the garbage collector. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** Opens connections and uses each once, so that none needs a check. */
export async function warmUp({ acquire, release }: Peer, open: number): Promise<void> {
  const connections = await Promise.all(Array.from({ length: open }, acquire));
  for (const connection of connections) release(connection);
}

/** Acquires and releases, with `callers` callers side by side, `times` times altogether. */
export async function takeTurns({ acquire, release }: Peer, callers: number, times: number): Promise<void> {
  const each = Math.ceil(times / callers);
  const caller = async () => {
    for (let turn = 0; turn < each; turn++) release(await acquire());
  };
  await Promise.all(Array.from({ length: callers }, caller));
}
