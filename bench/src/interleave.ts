import { Bench } from 'tinybench';
import { takeTurns, warmUp } from './load.js';
import type { Peer } from './peers/peer.js';

export interface Plan {
  readonly callers: number;
  /** Acquires and releases in one sample. */
  readonly operations: number;
  readonly rounds: number;
}

/**
 * Nanoseconds per acquire and release, one figure a round and peer. In each round every peer has its turn, and each round begins with another
 * one, so that a machine that slows down meanwhile slows all of them.
 */
export async function interleave(peers: readonly Peer[], plan: Plan): Promise<Map<string, number[]>> {
  const figures = new Map<string, number[]>(peers.map(({ name }) => [name, []]));
  for (let round = -1; round < plan.rounds; round++) {
    for (const peer of rotated(peers, round)) {
      const ns = await measure(peer, plan);
      // The first round only lets the compiler see the code.
      if (round >= 0) figures.get(peer.name)?.push(ns);
    }
  }
  return figures;
}

function rotated<T>(items: readonly T[], by: number): T[] {
  const start = (by + items.length) % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}

async function measure(peer: Peer, { callers, operations }: Plan): Promise<number> {
  const bench = new Bench({ iterations: 5, time: 0, warmup: false });
  bench.add(peer.name, () => takeTurns(peer, callers, operations), { beforeEach: () => warmUp(peer) });
  const [task] = await bench.run();
  const result = task?.result;
  if (result?.state !== 'completed') throw new Error(`${peer.name} did not finish: ${JSON.stringify(result)}`);
  return (result.latency.p50 * 1e6) / operations;
}
