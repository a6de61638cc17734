import type { RouteKey } from '../contenders/routes.js';
import { count, milliseconds, percent, rough, seconds } from '../figures/format.js';
import { requestsOf, type Summary } from '../figures/summary.js';

/** A row of the table: a name, and a contender's text in it. */
type Row = readonly [string, (summary: Summary) => string];

/** The tables' rows, for the terminal and for the report. */
export function rowsOf(route: RouteKey): Row[] {
  return [...CONNECTIONS, ...(route === 'sign-ups' ? ERRORS : []), ...REQUESTS];
}

const CONNECTIONS: readonly Row[] = [
  ['connections, peak', ({ peak }) => count(peak)],
  ['connections, at the end', ({ peakAtEnd }) => count(peakAtEnd)],
  ['connections, mean', ({ mean }) => rough(mean)],
  ['backend PIDs seen', ({ backends }) => rough(backends)],
  ['connections opened', ({ opened }) => rough(opened)],
  ['opened / 1,000 requests', ({ openedPerThousand }) => rough(openedPerThousand)],
  ['connects refused', ({ refused }) => rough(refused)],
  ['transactions / connection', ({ transactionsPerConnection }) => rough(transactionsPerConnection)],
];

const ERRORS: readonly Row[] = [['unique key violated', (summary) => percent(summary.conflicts, summary.answered)]];

const REQUESTS: readonly Row[] = [
  ['requests/s answered', ({ perSecond }) => rough(perSecond)],
  ['failed', (summary) => percent(summary.failed, requestsOf(summary))],
  ['timed out', (summary) => percent(summary.timedOut, requestsOf(summary))],
  ['p50 of the answered', ({ p50Ms }) => milliseconds(p50Ms)],
  ['p99 of the answered', ({ p99Ms }) => milliseconds(p99Ms)],
  ['CPU, server', ({ serverCpuMs }) => seconds(serverCpuMs)],
  ['CPU, app', ({ appCpuMs }) => seconds(appCpuMs)],
  ['CPU, load generator', ({ generatorCpuMs }) => seconds(generatorCpuMs)],
  ['passes', ({ passes }) => count(passes)],
];
