import { interleave } from '../figures/interleave.js';
import type { Report } from '../report/report.js';
import { startContenders } from './contenderProcesses.js';
import { barsOf, type Measured, priceTable, tablesOf, targetsOf, together } from './figures.js';
import type { Slice } from './slice.js';
import { CALLERS, MAX, WORKLOAD_KEYS, WORKLOADS } from './workloads.js';

interface Extent {
  /**
   * The number of runs, each with new processes: the compiler and the memory of one process can make it a few per cent faster or
   * slower for as long as it lives.
   */
  readonly runs: number;
  readonly rounds: number;
  readonly slice: Slice;
}

const FULL: Extent = { runs: 3, rounds: 2, slice: { warmUpMs: 300, forMs: 1_000 } };
const QUICK: Extent = { runs: 1, rounds: 1, slice: { warmUpMs: 100, forMs: 200 } };

/** Measures throughput, and the CPU time of both sides, of one process at a time on a real server. */
export async function queries(url: string, quick: boolean, progress: (text: string) => void): Promise<Report> {
  const extent = quick ? QUICK : FULL;
  const runs: Measured[] = [];
  while (runs.length < extent.runs) {
    const run = `run ${runs.length + 1} of ${extent.runs}`;
    runs.push(await runOnce(url, extent, (text) => progress(`${run}: ${text}`)));
  }
  return reportOf(together(runs), extent);
}

async function runOnce(url: string, { rounds, slice }: Extent, progress: (text: string) => void): Promise<Measured> {
  const contenders = await startContenders(url);
  const measured: Partial<Record<keyof Measured, Measured[keyof Measured]>> = {};
  try {
    for (const workload of WORKLOAD_KEYS) {
      progress(WORKLOADS[workload].title);
      measured[workload] = await interleave(contenders, rounds, (contender) => contender.run({ workload, slice }));
    }
  } finally {
    for (const contender of contenders) contender.stop();
  }
  return measured as Measured;
}

function reportOf(measured: Measured, { runs, rounds, slice }: Extent): Report {
  return {
    title: 'One process, real server',
    about: [
      `${MAX} connections and ${CALLERS} callers side by side each, the default policy; the raw clients have a caller each, since nothing hands them on. Each in ` +
        `a process of its own, as an app has one of them, and one after another on the same server. Medians of ${runs} runs with new processes, of ${rounds} ` +
        `interleaved rounds of ${slice.forMs / 1_000} s each, after a warm-up that does not count; a ratio is ` +
        'the median of the rounds’ ratios. “Times stock”: by the first of the group.',
      'CPU: of the measuring process, driver and results included; of all of PostgreSQL’s processes. postgres.js sends queries down a busy connection without ' +
        'waiting for the answer to the one before (it pipelines), which no other does.',
    ],
    tables: [...tablesOf(measured), priceTable(measured)],
    plots: barsOf(measured),
    targets: targetsOf(measured),
    figures: { queries: Object.fromEntries(WORKLOAD_KEYS.map((key) => [key, Object.fromEntries(measured[key])])) },
  };
}
