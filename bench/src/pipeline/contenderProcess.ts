import { serverCpu } from '@tenure/replay/watch/serverCpu.js';
import pg from 'pg';
import { answerQuestions } from '../askedProcess.js';
import { type Figures, type Name, openContender, runFor, type Turn } from './loads.js';

/** The process of one contender. */

const [name, url] = process.argv.slice(2) as [Name, string];
const operations = openContender(name, url);
const watcher = new pg.Client({ connectionString: url });
await watcher.connect();
const server = await serverCpu(watcher);

answerQuestions(async ({ load, warmUpMs, forMs }: Turn): Promise<Figures> => {
  await runFor(operations, load, warmUpMs);
  const serverBefore = await server.readMs();
  const before = process.cpuUsage();
  const start = performance.now();
  const { count, p99, slowP50 } = await runFor(operations, load, forMs);
  const seconds = (performance.now() - start) / 1_000;
  const { user, system } = process.cpuUsage(before);
  const serverMs = ((await server.readMs()) ?? Number.NaN) - (serverBefore ?? Number.NaN);
  return {
    perSecond: count / seconds,
    p99,
    slowP50,
    clientCpu: (user + system) / count,
    serverCpu: (1_000 * serverMs) / count,
  };
});
