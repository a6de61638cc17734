import { contenderOf, PROCESSES } from '../contenders/catalogue.js';
import type { Summary } from './summary.js';

/** A contender's name; with Tenure its limit is known only once it ran, since the environment may set it. */
export function titleOf({ contender, limit }: Pick<Summary, 'contender' | 'limit'>): string {
  const { title, isTenure } = contenderOf(contender);
  return isTenure && limit !== null ? `${title} ${PROCESSES} × ${limit / PROCESSES}` : title;
}
