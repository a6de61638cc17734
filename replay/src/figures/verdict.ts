import { contenderOf } from '../contenders/catalogue.js';
import { count, percent, rough } from './format.js';
import type { Summary } from './summary.js';
import { titleOf } from './titles.js';

/** One sentence that says what the figures mean, made of the figures alone: true whatever they are. */
export function verdict(summaries: readonly Summary[], maxConnections: number): string {
  const clauses = summaries.map((summary, index) => {
    const ofServer = index === 0 ? ` of the server’s ${maxConnections} connections` : '';
    return `${titleOf(summary)} held up to ${summary.peak}${ofServer} for ${transactions(summary)} each and ${outcome(summary)}`;
  });
  return `${clauses.join('; ')}${comparison(summaries)}.`;
}

function transactions({ transactionsPerConnection: number }: Summary): string {
  return `${rough(number)} ${number === 1 ? 'transaction' : 'transactions'}`;
}

function outcome({ answered, failed, timedOut }: Summary): string {
  const all = answered + failed + timedOut;
  return answered === all
    ? `answered all ${count(all)} requests`
    : `answered ${percent(answered, all)} of ${count(all)} requests`;
}

function comparison(summaries: readonly Summary[]): string {
  const ratio = throughputRatio(summaries);
  return ratio === null ? '' : `, with ${ratio.toFixed(2)} times the requests/s of ${contenderOf('stock').title}`;
}

/** Tenure's requests/s by those of stock Knex with the same limit; null unless both ran more than once: one pass is noise. */
export function throughputRatio(summaries: readonly Summary[]): number | null {
  const find = (key: string) => summaries.find(({ contender, passes }) => contender === key && passes > 1);
  const [ours, theirs] = [find('tenure'), find('stock')];
  return ours && theirs?.perSecond ? ours.perSecond / theirs.perSecond : null;
}
