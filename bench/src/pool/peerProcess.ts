import { answerQuestions } from '../askedProcess.js';
import { cost, type Load } from './load.js';
import { PEERS } from './peers/all.js';
import { bare } from './peers/bare.js';
import { MAX } from './peers/peer.js';

/**
 * The process of one peer: for a load, it answers with the cost of an acquire and release on a pool of its own. Each peer has its
 * own process. In one process, timers that one pool has cancelled would keep Node's list of that length alive for the others, and
 * all would share the compiler's assumptions about the first.
 */

const kind = [...PEERS, bare].find(({ name }) => name === process.argv[2])!;

answerQuestions(async (load: Load) => {
  const peer = kind.open(MAX);
  const ns = await cost(peer, load);
  await peer.close();
  return ns;
});
