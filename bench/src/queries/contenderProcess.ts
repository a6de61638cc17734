import { serverCpu } from '@tenure/replay/watch/serverCpu.js';
import pg from 'pg';
import { answerQuestions } from '../askedProcess.js';
import { openContender } from './contenders.js';
import type { Name } from './names.js';
import { runSlice, type Turn } from './slice.js';

/** The process of one contender. An app has a process to itself, too. */

const [name, url] = process.argv.slice(2) as [Name, string];
const contender = await openContender(name, url);
const watcher = new pg.Client({ connectionString: url });
await watcher.connect();
const cpu = await serverCpu(watcher);
answerQuestions(({ workload, slice }: Turn) => runSlice(contender, workload, slice, cpu));
