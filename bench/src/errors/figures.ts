import { median } from '../figures/median.js';
import { atLeast, ratioOf, times } from '../figures/ratio.js';
import type { Bars, Table, Target } from '../report/report.js';
import { PAIRS } from './pairs.js';

/** The figures of one contender. */
export interface Figures {
  readonly name: string;
  /** Requests per second, one figure for each round. */
  readonly perSecond: readonly number[];
  /** All sessions and requests, including the warm-up's, because the first connections are opened there. */
  readonly opened: number;
  readonly requests: number;
}

export function tableOf(all: readonly Figures[]): Table {
  const rows = PAIRS.flatMap(({ through, stock, ours }) =>
    [stock, ours].map((name) => {
      const { perSecond, opened, requests } = find(all, name);
      return [
        through,
        name,
        median(perSecond).toFixed(0),
        times(ratioOf(perSecond, find(all, stock).perSecond)),
        String(opened),
        ((1_000 * opened) / requests).toFixed(1),
      ];
    }),
  );
  const head = ['through', '', 'requests/s', 'times stock', 'sessions opened', 'opened / 1,000 requests'];
  return { title: 'Requests, some of which fail', head, rows };
}

export function barsOf(all: readonly Figures[]): Bars {
  const bars = all.map(({ name, perSecond }) => ({ name, value: median(perSecond) }));
  return { title: 'Requests, some of which fail', unit: 'requests/s, more is better', bars };
}

export function targetsOf(all: readonly Figures[]): Target[] {
  return PAIRS.map(({ stock, ours, least }) =>
    atLeast(`${ours} by ${stock}, requests/s`, ratioOf(find(all, ours).perSecond, find(all, stock).perSecond), least),
  );
}

function find(all: readonly Figures[], name: string): Figures {
  const figures = all.find((one) => one.name === name);
  if (!figures) throw new Error(`${name} did not run.`);
  return figures;
}
