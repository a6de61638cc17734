import { contenderOf, routeOf } from '../contenders/catalogue.js';
import { byRoute, type RouteKey } from '../contenders/routes.js';
import { TAKEN_PERCENT } from '../database/signUps.js';
import { count, percent, rough } from './format.js';
import { PAIRS, throughputRatio } from './ratio.js';
import { requestsOf, type Summary } from './summary.js';
import { titleOf } from './titles.js';

/** One sentence per route that says what the figures mean, made of the figures alone: true whatever they are. */
export function verdict(summaries: readonly Summary[], maxConnections: number): string {
  const sentences = byRoute(summaries, ({ contender }) => routeOf(contender)).map(([route, members]) => {
    const said = route === 'orders' ? held(members, maxConnections) : opened(members);
    return `${said}${comparison(members, route)}.`;
  });
  return sentences.join(' ');
}

function held(summaries: readonly Summary[], maxConnections: number): string {
  const clauses = summaries.map((summary, index) => {
    const ofServer = index === 0 ? ` of the server’s ${maxConnections} connections` : '';
    return `${titleOf(summary)} held up to ${summary.peak}${ofServer} for ${transactions(summary)} each and ${outcome(summary)}`;
  });
  return clauses.join('; ');
}

function opened(summaries: readonly Summary[]): string {
  const clauses = summaries.map((summary, index) => {
    const unit = index === 0 ? ' connections per 1,000 requests' : '';
    return `${titleOf(summary)} opened ${rough(summary.openedPerThousand)}${unit} and ${outcome(summary)}`;
  });
  return `Where ${TAKEN_PERCENT} % of the requests violate a unique key, ${clauses.join('; ')}`;
}

function transactions({ transactionsPerConnection: number }: Summary): string {
  return `${rough(number)} ${number === 1 ? 'transaction' : 'transactions'}`;
}

function outcome(summary: Summary): string {
  const { answered } = summary;
  const all = requestsOf(summary);
  return answered === all
    ? `answered all ${count(all)} requests`
    : `answered ${percent(answered, all)} of ${count(all)} requests`;
}

function comparison(summaries: readonly Summary[], route: RouteKey): string {
  const ratio = throughputRatio(summaries, route);
  return ratio === null
    ? ''
    : `, with ${ratio.toFixed(2)} times the requests/s of ${contenderOf(PAIRS[route].theirs).title}`;
}
