import knex from 'knex';
import { appConfig, type OpenDatabase } from './contender.js';

/** Knex as it comes: one instance for the process. */
export function stock(max: number): OpenDatabase {
  return (url) => {
    const db = knex(appConfig(url, max));
    return { forRequest: () => db, close: () => db.destroy(), limit: max };
  };
}
