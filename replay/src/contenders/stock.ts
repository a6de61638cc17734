import knex from 'knex';
import type { OpenApp } from './contender.js';
import { knexApp, knexConfig } from './knexApp.js';

/** Knex with its defaults: one instance for the process. */
export function stock(max: number): OpenApp {
  return (url, schema) => {
    const db = knex(knexConfig(url, max));
    return knexApp(schema, { forRequest: () => db, close: () => db.destroy(), limit: max });
  };
}
