import { quantile as quantileOrNull } from '@tenure/replay/figures/quantile.js';

/** The value below which the share `q` of the sorted values lies; NaN without values. */
export function quantile(sorted: readonly number[], q: number): number {
  return quantileOrNull(sorted, q) ?? Number.NaN;
}
