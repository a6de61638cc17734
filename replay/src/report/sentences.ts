import { count, rough } from '../figures/format.js';
import type { Summary } from '../figures/summary.js';

/** What one sees in the plots of a contender: the general meaning first, then its own figures. */

export function aboutConnections({ passes, peak, refused }: Summary, maxConnections: number): string {
  const lines = passes > 1 ? `One line per pass (${passes})` : 'The line';
  const more = refused > 0 ? `, and ${rough(refused)} more connects that were refused` : '';
  return `${lines}: the server connections that the app held. At most ${peak} of ${maxConnections}${more}.`;
}

export function aboutLifelines(summary: Summary, bars: number, seen: { pass: boolean }): string {
  const each = summary.transactionsPerConnection;
  return (
    `One bar per backend PID${seen.pass ? ' (first pass)' : ''}, from its birth to its end: in full colour while it worked, pale while it had nothing to do. ` +
    `${count(bars)} ${bars === 1 ? 'backend' : 'backends'}; each connection served ${rough(each)} ` +
    `${each === 1 ? 'transaction' : 'transactions'}.`
  );
}
