// A module of an app, as development servers evaluate it over and over without closing what it has opened.
import { Pool } from '@tenure/core/pg';
import { tenure } from '@tenure/knex';
import knex from 'knex';

const connectionString = process.env.RELOADED_URL ?? '';

export const pool = new Pool({ connectionString, max: 5, application_name: 'reloaded pool' });
export const db = knex(
  tenure({ client: 'pg', connection: { connectionString, application_name: 'reloaded knex' }, pool: { max: 5 } }),
);
