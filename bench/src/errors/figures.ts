import { median } from '../median.js';
import { PAIRS } from './pairs.js';

/** What one contender did. */
export interface Figures {
  readonly name: string;
  /** Requests per second, one figure a round. */
  readonly perSecond: readonly number[];
  /** Sessions, and all requests: the warm-up's included, since the first connections are opened there. */
  readonly opened: number;
  readonly requests: number;
}

/** How many times the requests/s of another: the median of the rounds' ratios. */
export function ratioOf(ours: Figures, theirs: Figures): number {
  return median(ours.perSecond.map((rate, round) => rate / (theirs.perSecond[round] ?? Number.NaN)));
}

/** The table: a head, and a row for each. */
export function rowsOf(all: readonly Figures[]): string[][] {
  const head = ['through', '', 'requests/s', 'times stock', 'sessions opened', 'opened / 1,000 requests'];
  const rows = PAIRS.flatMap(({ through, stock, ours }) =>
    [stock, ours].map((name) => {
      const figures = find(all, name);
      const perThousand = (1_000 * figures.opened) / figures.requests;
      return [
        through,
        name,
        median(figures.perSecond).toFixed(0),
        `${ratioOf(figures, find(all, stock)).toFixed(2)} x`,
        String(figures.opened),
        perThousand.toFixed(1),
      ];
    }),
  );
  return [head, ...rows];
}

/** Whether each target was reached, said whichever way it came out. */
export function targetsOf(all: readonly Figures[]): string[] {
  return PAIRS.map(({ stock, ours, atLeast }) => {
    const ratio = ratioOf(find(all, ours), find(all, stock));
    return `${ratio >= atLeast ? '✓' : '✗ MISSED:'} ${ours}: ${ratio.toFixed(2)} times ${stock} (the target is ≥ ${atLeast})`;
  });
}

function find(all: readonly Figures[], name: string): Figures {
  const figures = all.find((one) => one.name === name);
  if (!figures) throw new Error(`${name} did not run.`);
  return figures;
}
