import { poolOf, tenure } from '@tenure/knex';
import knex from 'knex';
import type { OpenApp } from './contender.js';
import { knexApp, knexConfig } from './knexApp.js';

/** The same code plus the one call. The policy comes from the environment. */
export function withTenure(max: number): OpenApp {
  return (url, schema) => {
    const db = knex(tenure(knexConfig(url, max)));
    return knexApp(schema, { forRequest: () => db, close: () => db.destroy(), limit: poolOf(db).stats().max });
  };
}
