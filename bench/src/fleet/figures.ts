import { type ContenderKey, routeOf } from '@tenure/replay/contenders/catalogue.js';
import { byRoute, ROUTES } from '@tenure/replay/contenders/routes.js';
import { milliseconds, percent, rough } from '@tenure/replay/figures/format.js';
import { requestsOf, type Summary } from '@tenure/replay/figures/summary.js';
import { titleOf } from '@tenure/replay/figures/titles.js';
import { atLeast } from '../figures/ratio.js';
import type { Bars, Table, Target } from '../report/report.js';

/** A column: its head, and a contender's text in it. */
type Column = readonly [string, (summary: Summary) => string];

const COLUMNS: readonly Column[] = [
  ['', titleOf],
  ['requests/s', ({ perSecond }) => rough(perSecond)],
  ['p50', ({ p50Ms }) => milliseconds(p50Ms)],
  ['p99', ({ p99Ms }) => milliseconds(p99Ms)],
  ['failed', (summary) => percent(summary.failed, requestsOf(summary))],
  ['timed out', (summary) => percent(summary.timedOut, requestsOf(summary))],
  ['server connections', ({ peak }) => rough(peak)],
  ['opened / 1,000 requests', ({ openedPerThousand }) => rough(openedPerThousand)],
  ['app CPU µs', (summary) => perRequest(summary, summary.appCpuMs)],
  ['PostgreSQL CPU µs', (summary) => perRequest(summary, summary.serverCpuMs)],
  ['PgBouncer CPU µs', (summary) => perRequest(summary, summary.poolerCpuMs)],
  ['passes', ({ passes }) => rough(passes)],
];

export function tablesOf(summaries: readonly Summary[]): Table[] {
  return byRoute(summaries, ({ contender }) => routeOf(contender)).map(([route, members]) => {
    const { method, path, story } = ROUTES[route];
    return {
      title: `${method} ${path}: ${story}`,
      head: COLUMNS.map(([head]) => head),
      rows: members.map((summary) => COLUMNS.map(([, say]) => say(summary))),
    };
  });
}

export function barsOf(summaries: readonly Summary[]): Bars[] {
  return byRoute(summaries, ({ contender }) => routeOf(contender)).flatMap(([route, members]) => {
    const { method, path } = ROUTES[route];
    const bars = (unit: string, figure: (summary: Summary) => number | null) => ({
      title: `${method} ${path}`,
      unit,
      bars: members.map((summary) => ({ name: titleOf(summary), value: figure(summary) ?? Number.NaN })),
    });
    return [
      bars('requests/s, more is better', ({ perSecond }) => perSecond),
      bars('p99, ms, less is better', ({ p99Ms }) => p99Ms),
    ];
  });
}

/** Both open the same number of connections to the server. */
export function targetsOf(summaries: readonly Summary[]): Target[] {
  const perSecond = (key: ContenderKey) => summaries.find(({ contender }) => contender === key)?.perSecond;
  const [ours, theirs] = [perSecond('tenure'), perSecond('pgbouncer')];
  if (ours === undefined || !theirs) return [];
  return [atLeast('Requests/s of Tenure by those of Knex behind PgBouncer', ours / theirs, 1)];
}

/** A pass's CPU time divided by the answers of the same pass. */
function perRequest({ answered, passes }: Summary, cpuMs: number | null): string {
  return cpuMs === null || answered === 0 ? 'n/a' : ((1_000 * cpuMs * passes) / answered).toFixed(0);
}
