import { answerQuestions } from '../askedProcess.js';
import { cost, type Load, takeTurns, warmUp } from '../pool/load.js';
import { MAX } from '../pool/peers/peer.js';
import { instrumented, KINDS } from './peers.js';

/** The question for a peer's process: the cost of an acquire and release, or of collecting the durations of each. */
export type Question = Load & { readonly collects?: true };

const kind = KINDS[process.argv[2] ?? '']!;

answerQuestions(async ({ collects, ...load }: Question) => (collects ? collectionCost(load) : acquireCost(load)));

async function acquireCost(load: Load): Promise<number> {
  const peer = kind.open(MAX);
  const ns = await cost(peer, load);
  await peer.close();
  return ns;
}

async function collectionCost({ callers, open, operations }: Load): Promise<number> {
  const peer = instrumented.open(MAX);
  await warmUp(peer, open);
  await peer.collect();
  await takeTurns(peer, callers, operations);
  const before = process.cpuUsage();
  await peer.collect();
  const { user, system } = process.cpuUsage(before);
  await peer.close();
  return ((user + system) * 1_000) / operations;
}
