import { getBorderCharacters, table } from 'table';
import { routeOf } from '../contenders/catalogue.js';
import { byRoute, ROUTES, type RouteKey } from '../contenders/routes.js';
import type { Summary } from '../figures/summary.js';
import { titleOf } from '../figures/titles.js';
import { rowsOf } from './rows.js';

/** A table for each route, because contenders of different routes cannot be compared. */
export function terminalTables(summaries: readonly Summary[]): string {
  return byRoute(summaries, ({ contender }) => routeOf(contender))
    .map(([route, members]) => terminalTable(route, members))
    .join('\n');
}

function terminalTable(route: RouteKey, summaries: readonly Summary[]): string {
  const { method, path, story } = ROUTES[route];
  const head = ['', ...summaries.map(titleOf)];
  const body = rowsOf(route).map(([name, say]) => [name, ...summaries.map(say)]);
  const drawn = table([head, ...body], {
    border: getBorderCharacters('norc'),
    columnDefault: { alignment: 'right' },
    columns: { 0: { alignment: 'left' } },
    drawHorizontalLine: (line, rows) => line === 0 || line === 1 || line === rows,
  });
  return `${method} ${path}: ${story}\n${drawn}`;
}
