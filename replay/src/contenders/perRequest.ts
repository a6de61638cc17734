import knex from 'knex';
import { type AppDatabase, appConfig } from './contender.js';

/** `CONN_MAX_AGE=60`, as in the incident: the connection outlives the request, but belongs to the request's own instance. */
const PERSISTS_MS = 60_000;

/** A Knex instance for each request, as each green thread of the incident had its own: persistent, and never found again. */
export function perRequest(url: string): AppDatabase {
  const config = appConfig(url, 1);
  const pool = { ...config.pool, idleTimeoutMillis: PERSISTS_MS };
  return {
    forRequest: () => knex({ ...config, pool }),
    close: async () => {},
    limit: null,
  };
}
