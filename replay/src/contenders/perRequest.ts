import knex from 'knex';
import type { App } from './contender.js';
import { knexApp, knexConfig } from './knexApp.js';

/** `CONN_MAX_AGE=60`, as in the incident: the connection outlives the request, but belongs to the request's own instance. */
const PERSISTS_MS = 60_000;

/** A Knex instance for each request, like the own connection of each green thread in the incident: persistent, and never used again. */
export function perRequest(url: string, schema: string): App {
  const config = knexConfig(url, 1);
  const pool = { ...config.pool, idleTimeoutMillis: PERSISTS_MS };
  return knexApp(schema, {
    forRequest: () => knex({ ...config, pool }),
    close: async () => {},
    limit: null,
  });
}
