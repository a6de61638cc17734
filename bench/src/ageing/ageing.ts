import { Pool } from '@tenure/core/pg';
import { interleave } from '../figures/interleave.js';
import { median } from '../figures/median.js';
import { quantile } from '../figures/quantile.js';
import { atMost, ratioOf, target, times } from '../figures/ratio.js';
import type { Report } from '../report/report.js';
import { type Birth, recordBirths } from './births.js';
import { mostWithin } from './mostWithin.js';

/** Connections that have the same age. */
const MAX = 20;
/** Callers at the same time: most of the connections are in use at any moment. */
const CALLERS = 16;
const QUERY_SECONDS = 0.005;
const WINDOW_MS = 100;

const AGES = [
  { name: 'CONN_MAX_AGE=2', maxAgeMs: 2_000 },
  { name: 'CONN_MAX_AGE=none', maxAgeMs: Number.POSITIVE_INFINITY },
];
const [AGEING, AGELESS] = AGES.map(({ name }) => name);

interface Figures {
  readonly p50: number;
  readonly p99: number;
  readonly longest: number;
  /** Connections opened after the first ones. */
  readonly opened: number;
  /** The largest number that was opened within 100 ms. */
  readonly burst: number;
}

/** Measures what the replacement of expired connections costs a steady load. */
export async function ageing(url: string, quick: boolean, progress: (text: string) => void): Promise<Report> {
  const rounds = quick ? 1 : 3;
  const forMs = quick ? 3_000 : 7_000;
  const births = recordBirths();
  const measured = await interleave(AGES, rounds, async ({ name, maxAgeMs }, isWarmUp) => {
    progress(`${name}${isWarmUp ? ', warming up' : ''}`);
    const pool = new Pool({ connectionString: url, max: MAX, policy: { maxAgeMs } });
    const figures = await runSlice(pool, isWarmUp ? 500 : forMs, births);
    await pool.end();
    return figures;
  });
  return reportOf(measured, rounds, forMs);
}

async function runSlice(pool: Pool, forMs: number, births: readonly Birth[]): Promise<Figures> {
  const held = await Promise.all(Array.from({ length: MAX }, () => pool.connect()));
  for (const client of held) client.release();
  const start = performance.now();
  const latencies: number[] = [];
  const caller = async () => {
    while (performance.now() - start < forMs) {
      const asked = performance.now();
      await pool.query('select pg_sleep($1)', [QUERY_SECONDS]);
      latencies.push(performance.now() - asked);
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  latencies.sort((a, b) => a - b);
  const later = births.filter((at) => at > start);
  return {
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    longest: quantile(latencies, 1),
    opened: later.length,
    burst: mostWithin(later, WINDOW_MS),
  };
}

function reportOf(measured: ReadonlyMap<string, readonly Figures[]>, rounds: number, forMs: number): Report {
  const take = (name: string | undefined, figure: keyof Figures) =>
    (measured.get(name!) ?? []).map((round) => round[figure]);
  const middle = (name: string, figure: keyof Figures) => median(take(name, figure)).toFixed(1);
  const p99 = ratioOf(take(AGEING, 'p99'), take(AGELESS, 'p99'));
  const burst = Math.max(...take(AGEING, 'burst'));
  return {
    title: 'Connections that come of age',
    about: [
      `A pool of ${MAX} connections, all born together, and ${CALLERS} callers whose queries take ${QUERY_SECONDS * 1_000} ms each, one after another. ` +
        `Medians of ${rounds} interleaved rounds of ${forMs / 1_000} s; “opened” is counted after the first ${MAX}; the burst is the highest of all rounds.`,
    ],
    tables: [
      {
        title: 'A steady load',
        head: ['', 'p50 ms', 'p99 ms', 'p99, times none', 'longest ms', 'opened', `opened in any ${WINDOW_MS} ms`],
        rows: AGES.map(({ name }) => [
          name,
          middle(name, 'p50'),
          middle(name, 'p99'),
          times(ratioOf(take(name, 'p99'), take(AGELESS, 'p99'))),
          middle(name, 'longest'),
          median(take(name, 'opened')).toFixed(0),
          String(Math.max(...take(name, 'burst'))),
        ]),
      },
    ],
    plots: (['p50', 'p99', 'longest'] as const).map((figure) => ({
      title: `Latency, ${figure}`,
      unit: 'ms, less is better',
      bars: AGES.map(({ name }) => ({ name, value: median(take(name, figure)) })),
    })),
    targets: [
      atMost(`p99 with ${AGEING} by ${AGELESS}`, p99, 1.3),
      target(burst <= 2, `Opened in any ${WINDOW_MS} ms because of age: ${burst} (the target is ≤ 2)`),
    ],
    figures: { ageing: Object.fromEntries(measured) },
  };
}
