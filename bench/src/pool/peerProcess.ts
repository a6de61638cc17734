import { answerQuestions } from '../askedProcess.js';
import { cost, type Load } from './load.js';
import { PEERS } from './peers/all.js';
import { bare } from './peers/bare.js';
import { MAX } from './peers/peer.js';

/**
 * The process of one peer: told a load, it answers with what an acquire and release cost, on a pool of its own. Each peer has a process of its own: in one,
 * timers that a pool has cancelled keep Node's list of that length alive for the others, and all share what the compiler has learned of the first.
 */

const kind = [...PEERS, bare].find(({ name }) => name === process.argv[2])!;

answerQuestions(async (load: Load) => {
  const peer = kind.open(MAX);
  const ns = await cost(peer, load);
  await peer.close();
  return ns;
});
