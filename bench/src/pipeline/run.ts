import { builtFile } from '@tenure/replay/output/folders.js';
import { compile } from '@tenure/replay/processes/compile.js';
import { startAsked } from '../askedProcess.js';
import type { Outcome } from '../bench.js';
import { interleave } from '../figures/interleave.js';
import { median } from '../figures/median.js';
import { atLeast, atMost, ratioOf, times } from '../figures/ratio.js';
import { TABLES } from '../queries/tables.js';
import type { Report, Target } from '../report/report.js';
import { startServer } from '../server.js';
import { CONTENDERS, type Figures, LOADS, type LoadKey, type Turn } from './loads.js';

const SOURCE = new URL('./contenderProcess.ts', import.meta.url);
const ROOT = new URL('../../', import.meta.url);
const KEYS = Object.keys(LOADS) as LoadKey[];

type Measured = Readonly<Record<LoadKey, ReadonlyMap<string, readonly Figures[]>>>;

/** Measures short reads that share connections, beside the same build with a connection for each query, and the stock pools. */
export async function runPipeline(quick: boolean): Promise<Outcome> {
  const entry = await builtFile('pipelineContender.js', ROOT);
  await compile(SOURCE, entry);
  await using server = await startServer();
  await server.run(...TABLES);
  const extent = quick ? { rounds: 1, warmUpMs: 200, forMs: 300 } : { rounds: 7, warmUpMs: 500, forMs: 2_000 };
  const contenders = await Promise.all(
    CONTENDERS.map(async (name) => ({ name, ...(await startAsked<Turn, Figures>(entry, name, [name, server.url])) })),
  );
  const measured: Partial<Record<LoadKey, ReadonlyMap<string, readonly Figures[]>>> = {};
  try {
    for (const load of KEYS) {
      console.error(`  ${LOADS[load].title} …`);
      measured[load] = await interleave(contenders, extent.rounds, ({ ask }) => ask({ load, ...extent }));
    }
  } finally {
    for (const contender of contenders) contender.stop();
  }
  return { report: reportOf(measured as Measured, extent.rounds), postgres: server.version };
}

function reportOf(measured: Measured, rounds: number): Report {
  return {
    title: 'Pipelining',
    about: [
      `Ten connections each, medians of ${rounds} interleaved rounds. “none” and “reads” are the same build with CONN_PIPELINE. CPU: µs of an operation, of the measuring ` +
        'process and of all of PostgreSQL’s. A ratio is the median of the rounds’ ratios.',
    ],
    tables: KEYS.map((load) => ({
      title: LOADS[load].title,
      head: ['contender', 'operations/s', 'p99 ms', 'slow p50 ms', 'client µs', 'server µs'],
      rows: CONTENDERS.map((name) => {
        const of = (key: keyof Figures, digits: number) => {
          const value = median(figuresOf(measured, load, name, key));
          return Number.isNaN(value) ? '–' : value.toFixed(digits);
        };
        return [name, of('perSecond', 0), of('p99', 1), of('slowP50', 1), of('clientCpu', 0), of('serverCpu', 0)];
      }),
    })),
    plots: [],
    targets: targetsOf(measured),
    figures: Object.fromEntries(KEYS.map((load) => [load, Object.fromEntries(measured[load])])),
  };
}

function figuresOf(measured: Measured, load: LoadKey, name: string, key: keyof Figures): number[] {
  return (measured[load].get(name) ?? []).map((figures) => figures[key]);
}

function targetsOf(measured: Measured): Target[] {
  const ratio = (load: LoadKey, key: keyof Figures, ours = 'Tenure, reads', theirs = 'Tenure, none') =>
    ratioOf(figuresOf(measured, load, ours, key), figuresOf(measured, load, theirs, key));
  const knex = ratio('lookup', 'perSecond', 'Knex + Tenure, reads', 'Knex');
  return [
    atLeast('Key lookup, operations/s by those with none', ratio('lookup', 'perSecond'), 1.8),
    atMost('the same, CPU of the client', ratio('lookup', 'clientCpu'), 0.6),
    atMost('the same, CPU of the server', ratio('lookup', 'serverCpu'), 0.6),
    atMost('the same, p99', ratio('lookup', 'p99'), 1),
    atLeast('Join, operations/s', ratio('join', 'perSecond'), 1.4),
    atMost('1 % known slow queries, p99', ratio('slow', 'p99'), 1),
    atMost('the same, p50 of the slow ones', ratio('slow', 'slowP50'), 1.05),
    atLeast('One caller, operations/s', ratio('one', 'perSecond'), 0.98),
    atLeast(`Knex, key lookup by stock Knex (${times(knex)})`, knex, 2.3),
  ];
}
