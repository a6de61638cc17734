import { TAKEN_PERCENT } from '../database/signUps.js';

export type RouteKey = 'orders' | 'sign-ups';

/** What a request asks of the app. Contenders are compared with those of the same route. */
export interface Route {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly story: string;
}

export const ROUTES: Record<RouteKey, Route> = {
  orders: { method: 'GET', path: '/orders', story: 'reads ten rows of one indexed join' },
  'sign-ups': {
    method: 'POST',
    path: '/sign-ups',
    story: `inserts one row; ${TAKEN_PERCENT} % of the requests violate a unique key and are answered with 409`,
  },
};

/** Sorts what belongs to contenders by their route; a route that none has is left out. */
export function byRoute<Item>(items: readonly Item[], routeOf: (item: Item) => RouteKey): [RouteKey, Item[]][] {
  const keys = Object.keys(ROUTES) as RouteKey[];
  const groups = keys.map((key): [RouteKey, Item[]] => [key, items.filter((item) => routeOf(item) === key)]);
  return groups.filter(([, members]) => members.length > 0);
}
