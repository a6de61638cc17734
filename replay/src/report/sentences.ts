import { count, rough } from '../figures/format.js';
import type { Summary } from '../figures/summary.js';
import { titleOf } from '../figures/titles.js';

/** Sentences about the pictures: the general meaning first, then the figures. */

export function aboutConnections(summaries: readonly Summary[], maxConnections: number): string {
  const peaks = summaries.map((summary) => {
    const more = summary.refused > 0 ? `, and ${rough(summary.refused)} connects refused` : '';
    return `${titleOf(summary)}: at most ${summary.peak} of ${maxConnections}${more}`;
  });
  const isFirst = summaries.some(({ passes }) => passes > 1) ? ', in its first pass' : '';
  return `The server connections that each app held${isFirst}. ${peaks.join('; ')}.`;
}

export function aboutLifelines(summary: Summary, bars: number, seen: { pass: boolean }): string {
  const each = summary.transactionsPerConnection;
  return (
    `One bar for each backend PID${seen.pass ? ' (first pass)' : ''}, from its start to its end: in full colour while it worked, pale while it was idle. ` +
    `${count(bars)} ${bars === 1 ? 'backend' : 'backends'}; each connection served ${rough(each)} ` +
    `${each === 1 ? 'transaction' : 'transactions'}.`
  );
}
