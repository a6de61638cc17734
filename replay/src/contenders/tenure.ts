import { poolOf, tenure } from '@tenure/knex';
import knex from 'knex';
import type { OpenApp } from './contender.js';
import { knexApp, knexConfig } from './knexApp.js';
import { setBudget } from './tenureLimit.js';

/** The same code with one more call. The policy comes from the environment. */
export function withTenure(max: number, { budget = true } = {}): OpenApp {
  return (url, schema) => {
    if (budget) setBudget(process.env);
    else process.env.CONN_BUDGET = 'none';
    const db = knex(tenure(knexConfig(url, max)));
    const pool = poolOf(db);
    return knexApp(schema, {
      forRequest: () => db,
      close: () => db.destroy(),
      limit: pool.stats().max,
      budget: () => pool.stats().budget?.limit ?? null,
    });
  };
}
