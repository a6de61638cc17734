import { TAKEN_PERCENT } from '../database/signUps.js';

export type RouteKey = 'orders' | 'deployment' | 'sign-ups';

/** Enough that each stock pool of eight grows to its max of ten. */
export const DEPLOYMENT_CLIENTS = 100;

/** The work of a request, and what happens meanwhile. Contenders are compared with those of the same route. */
export interface Route {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly story: string;
}

export const ROUTES: Record<RouteKey, Route> = {
  orders: { method: 'GET', path: '/orders', story: 'reads ten rows of one indexed join' },
  deployment: {
    method: 'GET',
    path: '/orders',
    story: `the same, with ${DEPLOYMENT_CLIENTS} clients; then a rolling deployment starts as many processes again, with ${DEPLOYMENT_CLIENTS} more`,
  },
  'sign-ups': {
    method: 'POST',
    path: '/sign-ups',
    story: `inserts one row; ${TAKEN_PERCENT} % of the requests violate a unique key and are answered with 409`,
  },
};

/** Sorts items of contenders by their route. A route without items is left out. */
export function byRoute<Item>(items: readonly Item[], routeOf: (item: Item) => RouteKey): [RouteKey, Item[]][] {
  const keys = Object.keys(ROUTES) as RouteKey[];
  const groups = keys.map((key): [RouteKey, Item[]] => [key, items.filter((item) => routeOf(item) === key)]);
  return groups.filter(([, members]) => members.length > 0);
}
