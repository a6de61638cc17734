import { poolOf, tenure } from '@tenure/knex';
import knex from 'knex';
import { appConfig, type OpenDatabase } from './contender.js';

/** The same code plus the one call. The policy comes from the environment. */
export function withTenure(max: number): OpenDatabase {
  return (url) => {
    const db = knex(tenure(appConfig(url, max)));
    return { forRequest: () => db, close: () => db.destroy(), limit: poolOf(db).stats().max };
  };
}
