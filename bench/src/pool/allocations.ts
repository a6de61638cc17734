import { createHook } from 'node:async_hooks';
import { PerformanceObserver } from 'node:perf_hooks';
import { median } from '../figures/median.js';
import { takeTurns, warmUp } from './load.js';
import { bare } from './peers/bare.js';
import { MAX, type Peer, type PeerKind } from './peers/peer.js';

/** What one acquire and release by a single caller on a warm pool allocates. */
export interface Allocated {
  readonly bytes: number;
  /** The number of promises, including the one that is returned. */
  readonly promises: number;
  readonly timers: number;
}

const TURNS = 5_000;
const COUNTED_TURNS = 1_000;

export async function allocations(kind: PeerKind, rounds: number): Promise<Allocated> {
  const peer = kind.open(MAX);
  const own = bare.open(MAX);
  await warmUp(peer, 1);
  // Enough runs for the compiler to finish.
  await takeTurns(peer, 1, 8 * TURNS);
  const bytes: number[] = [];
  for (let round = 0; round < rounds; round++) bytes.push(await bytesPerTurn(peer));
  const counted = await countPerTurn(peer);
  const harness = await countPerTurn(own);
  await peer.close();
  return { bytes: median(bytes), promises: counted.promises - harness.promises + 1, timers: counted.timers };
}

/** Bytes for each acquire and release. The heap grows by what is allocated, as long as nothing is collected. */
async function bytesPerTurn(peer: Peer): Promise<number> {
  let collections = 0;
  const observer = new PerformanceObserver((list) => {
    collections += list.getEntries().length;
  });
  globalThis.gc!();
  // The wait keeps that collection out of the observer's entries.
  await new Promise((resolve) => setTimeout(resolve, 5));
  observer.observe({ entryTypes: ['gc'] });
  const before = process.memoryUsage().heapUsed;
  await takeTurns(peer, 1, TURNS);
  const after = process.memoryUsage().heapUsed;
  await new Promise((resolve) => setTimeout(resolve, 5));
  observer.disconnect();
  if (collections > 0)
    throw new Error(`${peer.name}: the garbage collector ran, so that its allocations cannot be told.`);
  return (after - before) / TURNS;
}

async function countPerTurn(peer: Peer): Promise<{ promises: number; timers: number }> {
  const made: Record<string, number> = {};
  const hook = createHook({
    init: (_id, type) => {
      made[type] = (made[type] ?? 0) + 1;
    },
  });
  // The first acquire after a pause checks the connection, and so is not a warm one.
  await takeTurns(peer, 1, 10);
  hook.enable();
  await takeTurns(peer, 1, COUNTED_TURNS);
  hook.disable();
  const { PROMISE = 0, Timeout = 0 } = made;
  return { promises: PROMISE / COUNTED_TURNS, timers: Timeout / COUNTED_TURNS };
}
