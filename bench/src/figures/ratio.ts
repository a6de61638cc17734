import type { Target } from '../report/report.js';
import { median } from './median.js';

/** The ratio to another's figure: the median of the rounds' ratios, since only figures of one round were measured side by side. */
export function ratioOf(ours: readonly number[], theirs: readonly number[]): number {
  return median(ours.map((figure, round) => figure / (theirs[round] ?? Number.NaN)));
}

export function times(ratio: number): string {
  return Number.isFinite(ratio) ? `${ratio.toFixed(2)} x` : 'n/a';
}

export function atLeast(what: string, ratio: number, least: number): Target {
  return target(ratio >= least, `${what}: ${ratio.toFixed(3)} (the target is ≥ ${rounded(least)})`);
}

export function atMost(what: string, ratio: number, most: number): Target {
  return target(ratio <= most, `${what}: ${ratio.toFixed(3)} (the target is ≤ ${rounded(most)})`);
}

export function target(reached: boolean, text: string): Target {
  return { reached, text };
}

/** A target as a line. A target that could not be measured counts as missed. */
export function targetLine({ reached, text }: Target): string {
  return `${reached ? '✓' : '✗ MISSED:'} ${text}`;
}

function rounded(figure: number): string {
  return String(Number(figure.toFixed(2)));
}
