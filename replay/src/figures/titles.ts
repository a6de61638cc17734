import { contenderOf, PROCESSES, processesOf } from '../contenders/catalogue.js';
import type { Summary } from './summary.js';

/** A contender's name. With Tenure its limits are known only after its run, since the environment may set them. */
export function titleOf({ contender, limit, budget }: Pick<Summary, 'contender' | 'limit' | 'budget'>): string {
  const { title, isTenure, doubles } = contenderOf(contender);
  if (!isTenure || limit === null) return title;
  const processes = processesOf(contender);
  const before = doubles ? `${PROCESSES}, then ` : '';
  return `${title} ${before}${processes} × ${limit / processes}${budget === null ? '' : `, budget ${budget}`}`;
}
