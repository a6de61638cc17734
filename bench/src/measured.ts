import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { builtFile } from '@tenure/replay/output/folders.js';
import { compile } from '@tenure/replay/processes/compile.js';
import type { Report } from './report/report.js';

const SOURCE = new URL('./measure.ts', import.meta.url);
const ROOT = new URL('../', import.meta.url);

/** What a process that measures is told. */
export interface Job {
  readonly part: 'memory' | 'errors' | 'ageing' | 'inspector';
  readonly quick: boolean;
  /** The server, which is ours, so that reading its log takes no time of the process that is measured. */
  readonly url: string;
}

/**
 * Measures in a process of its own with nothing in it but what the benchmark needs, compiled: under tsx each closure would be given its
 * name when it is made, a toll that stock pools, plain JavaScript, do not pay.
 */
export async function measure(job: Job, flags: readonly string[] = []): Promise<Report> {
  const entry = await builtFile('measure.js', ROOT);
  await compile(SOURCE, entry);
  const child = fork(fileURLToPath(entry), [JSON.stringify(job)], {
    execArgv: [...flags],
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  let report: Report | undefined;
  child.on('message', (message) => {
    report = message as Report;
  });
  const [code, signal] = await once(child, 'exit');
  if (code !== 0 || !report) throw new Error(`The process that measures ${job.part} ended with ${code ?? signal}.`);
  return report;
}
