import { contenderOf, routeOf } from '../contenders/catalogue.js';
import { byRoute, type RouteKey } from '../contenders/routes.js';
import { TAKEN_PERCENT } from '../database/signUps.js';
import { count, percent, rough } from './format.js';
import { PAIRS, throughputRatio } from './ratio.js';
import { requestsOf, type Summary } from './summary.js';
import { titleOf } from './titles.js';

/** One line for each contender about its figures. It follows from the figures alone, so that it is true for all results. */
export function verdicts(summaries: readonly Summary[], maxConnections: number): string[] {
  return byRoute(summaries, ({ contender }) => routeOf(contender)).flatMap(([route, members]) =>
    members.map((summary) => {
      const did = route === 'sign-ups' ? opened(summary) : held(summary, maxConnections);
      return `${titleOf(summary)}: ${did}. It answered ${share(summary)}${comparison(summary, members, route)}.`;
    }),
  );
}

function held({ peak, refused, transactionsPerConnection: each }: Summary, maxConnections: number): string {
  const more = refused > 0 ? `, ${rough(refused)} connects refused` : '';
  return `up to ${peak} of ${maxConnections} connections${more}, ${rough(each)} ${each === 1 ? 'transaction' : 'transactions'} each`;
}

function opened({ openedPerThousand }: Summary): string {
  return `${rough(openedPerThousand)} connections opened per 1,000 requests, of which ${TAKEN_PERCENT} % violate a unique key`;
}

function share(summary: Summary): string {
  const { answered } = summary;
  const all = requestsOf(summary);
  return answered === all ? `all ${count(all)} requests` : `${percent(answered, all)} of ${count(all)} requests`;
}

function comparison({ contender }: Summary, members: readonly Summary[], route: RouteKey): string {
  const ratio = contender === PAIRS[route].ours ? throughputRatio(members, route) : null;
  return ratio === null
    ? ''
    : `, at ${ratio.toFixed(2)} times the requests/s of ${contenderOf(PAIRS[route].theirs).title}`;
}
