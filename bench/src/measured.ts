import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { builtFile } from '@tenure/replay/output/folders.js';
import { compile } from '@tenure/replay/processes/compile.js';
import type { Report } from './report/report.js';

const SOURCE = new URL('./measure.ts', import.meta.url);
const ROOT = new URL('../', import.meta.url);

/** The task of a measuring process. */
export interface Job {
  readonly part: 'memory' | 'errors' | 'ageing' | 'inspector';
  readonly quick: boolean;
  /** The server, which belongs to the parent process, so that reading its log takes no time of the measured process. */
  readonly url: string;
}

/**
 * Measures in a compiled process of its own, with nothing in it but what the benchmark needs. With tsx each closure would be
 * named when it is made, which costs time that stock pools, plain JavaScript, do not need.
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
