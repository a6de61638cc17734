import { count, milliseconds, percent, rough, seconds } from '../figures/format.js';
import type { Summary } from '../figures/summary.js';

/** The table's rows, for the terminal and for the report: a name, and how to say it of a contender. */
export const ROWS: readonly [string, (summary: Summary) => string][] = [
  ['connections, peak', ({ peak }) => count(peak)],
  ['connections, mean', ({ mean }) => rough(mean)],
  ['backend PIDs seen', ({ backends }) => rough(backends)],
  ['connections opened', ({ opened }) => rough(opened)],
  ['connects refused', ({ refused }) => rough(refused)],
  ['transactions / connection', ({ transactionsPerConnection }) => rough(transactionsPerConnection)],
  ['requests/s answered', ({ perSecond }) => rough(perSecond)],
  ['failed', (summary) => percent(summary.failed, requests(summary))],
  ['timed out', (summary) => percent(summary.timedOut, requests(summary))],
  ['p50 of the answered', ({ p50Ms }) => milliseconds(p50Ms)],
  ['p99 of the answered', ({ p99Ms }) => milliseconds(p99Ms)],
  ['CPU, server', ({ serverCpuMs }) => seconds(serverCpuMs)],
  ['CPU, app', ({ appCpuMs }) => seconds(appCpuMs)],
  ['CPU, load generator', ({ generatorCpuMs }) => seconds(generatorCpuMs)],
  ['passes', ({ passes }) => count(passes)],
];

function requests({ answered, failed, timedOut }: Summary): number {
  return answered + failed + timedOut;
}
