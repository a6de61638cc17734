import { interleave } from '../figures/interleave.js';
import type { Report } from '../report/report.js';
import { startContenders } from './contenderProcesses.js';
import { barsOf, type Measured, tablesOf, targetsOf } from './figures.js';
import { CALLERS, MAX, WORKLOAD_KEYS, WORKLOADS } from './workloads.js';

/** Throughput, and the CPU time of both sides, of one process at a time on a real server. */
export async function queries(url: string, quick: boolean, progress: (text: string) => void): Promise<Report> {
  const rounds = quick ? 1 : 5;
  const slice = quick ? { warmUpMs: 100, forMs: 200 } : { warmUpMs: 300, forMs: 1_000 };
  const contenders = await startContenders(url);
  const measured: Partial<Record<keyof Measured, Measured[keyof Measured]>> = {};
  try {
    for (const workload of WORKLOAD_KEYS) {
      let turns = 0;
      measured[workload] = await interleave(contenders, rounds, (contender) => {
        if (turns++ % contenders.length === 0)
          progress(`${WORKLOADS[workload].title}, ${roundName(turns, contenders.length, rounds)}`);
        return contender.run({ workload, slice });
      });
    }
  } finally {
    for (const contender of contenders) contender.stop();
  }
  return reportOf(measured as Measured, rounds, slice.forMs);
}

function roundName(turns: number, ofRound: number, rounds: number): string {
  const round = Math.floor(turns / ofRound);
  return round === 0 ? 'warming up' : `round ${round} of ${rounds}`;
}

function reportOf(measured: Measured, rounds: number, forMs: number): Report {
  return {
    title: 'One process, real server',
    about: [
      `${MAX} connections and ${CALLERS} callers side by side each, the default policy; the raw clients have a caller each, since nothing hands them on. Each in ` +
        `a process of its own, as an app has one of them, and one after another on the same server. Medians of ${rounds} interleaved rounds of ${forMs / 1_000} s, each after a warm-up that does not count; a ratio is ` +
        'the median of the rounds’ ratios. “Times stock”: by the first of the group.',
      'CPU: of the measuring process, driver and results included; of all of PostgreSQL’s processes. postgres.js sends queries down a busy connection without ' +
        'waiting for the answer to the one before (it pipelines), which no other does.',
    ],
    tables: tablesOf(measured),
    plots: barsOf(measured),
    targets: targetsOf(measured),
    figures: { queries: Object.fromEntries(WORKLOAD_KEYS.map((key) => [key, Object.fromEntries(measured[key])])) },
  };
}
