import { warmUp } from './load.js';
import { MAX, type PeerKind } from './peers/peer.js';

/** Live bytes for each caller in line, including its promise. */
export async function heapPerWaiter({ open }: PeerKind, waiters: number): Promise<number> {
  const { acquire, release, close } = open(MAX);
  const held = await Promise.all(Array.from({ length: MAX }, acquire));
  const waiting = new Array<Promise<object>>(waiters);
  const before = await liveBytes();
  for (let index = 0; index < waiters; index++) waiting[index] = acquire();
  const after = await liveBytes();
  const served = Promise.all(waiting.map((promise) => promise.then(release)));
  for (const connection of held) release(connection);
  await served;
  await close();
  return (after - before) / waiters;
}

/** Live bytes that the pool keeps for each idle connection, without the connection itself. */
export async function heapPerIdle({ open, stub }: PeerKind, idle: number): Promise<number> {
  const bare = await bytesPerStub(stub, idle);
  const pool = open(idle);
  // What a pool has once is allocated before the first measurement.
  await warmUp(pool, 1);
  const before = await liveBytes();
  await warmUp(pool, idle);
  const after = await liveBytes();
  await pool.close();
  return (after - before) / (idle - 1) - bare;
}

async function bytesPerStub(stub: () => object, count: number): Promise<number> {
  const before = await liveBytes();
  const stubs = Array.from({ length: count }, stub);
  const after = await liveBytes();
  return (after - before) / stubs.length;
}

/** Live bytes after pending work and a collection. Two passes, since objects that are finalised in the first may release others. */
async function liveBytes(): Promise<number> {
  for (let pass = 0; pass < 2; pass++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    globalThis.gc!();
  }
  return process.memoryUsage().heapUsed;
}
