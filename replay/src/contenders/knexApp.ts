import knex, { type Knex } from 'knex';
import { lastOrders } from '../database/orders.js';
import { ACQUIRE_TIMEOUT_MS, type App } from './contender.js';

/** How one variant of the app uses Knex. */
interface KnexUse extends Omit<App, 'answer' | 'waitedTooLong'> {
  forRequest(): Knex;
}

/** `GET /orders`: the last orders of some customer. */
export function knexApp(schema: string, { forRequest, ...use }: KnexUse): App {
  return {
    answer: async () => ({ status: 200, body: await lastOrders(forRequest(), schema) }),
    waitedTooLong: (error) => error instanceof knex.KnexTimeoutError,
    ...use,
  };
}

export function knexConfig(url: string, max: number): Knex.Config {
  return {
    client: 'pg',
    connection: url,
    acquireConnectionTimeout: ACQUIRE_TIMEOUT_MS,
    pool: { min: 0, max },
  };
}
