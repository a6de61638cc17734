import type { ContenderKey } from '../contenders/catalogue.js';
import type { RouteKey } from '../contenders/routes.js';
import type { Summary } from './summary.js';

/** The two contenders that are compared on each route: the one with Tenure, and the same code without. */
export const PAIRS: Record<RouteKey, { ours: ContenderKey; theirs: ContenderKey }> = {
  orders: { ours: 'tenure', theirs: 'stock' },
  deployment: { ours: 'tenure-deployment', theirs: 'stock-deployment' },
  'sign-ups': { ours: 'prisma-tenure', theirs: 'prisma' },
};

/** The requests/s with Tenure divided by those without, at the same limit; null unless both ran more than once, since one pass is noise. */
export function throughputRatio(summaries: readonly Summary[], route: RouteKey): number | null {
  const find = (key: ContenderKey) => summaries.find(({ contender, passes }) => contender === key && passes > 1);
  const [ours, theirs] = [find(PAIRS[route].ours), find(PAIRS[route].theirs)];
  return ours && theirs?.perSecond ? ours.perSecond / theirs.perSecond : null;
}
