import { randomUUID } from 'node:crypto';
import type { PolicyOverrides } from '@tenure/core';
import { Pool } from '@tenure/core/pg';
import type pg from 'pg';
import type { PostgresServer } from '../../support/postgres.js';
import { usePools } from '../pgPool/support.js';

type Queryable = Pick<pg.ClientBase, 'query'>;

/** Pools of one connection that prepare at the second use, unless a test says otherwise. */
export function useStatements(server: Pick<PostgresServer, 'url'>) {
  const open = usePools(server);
  return (policy: PolicyOverrides = {}, options: pg.PoolConfig = {}): Pool =>
    open(Pool, { max: 1, ...options, policy: { prepareThreshold: 2, ...policy } });
}

/** The process counts texts: a comment that no other test has makes this one's its own. */
export function own(text: string): string {
  return `${text} /* ${randomUUID()} */`;
}

/** The server's own list of statements that this session has prepared by the protocol. */
export async function prepared(client: Queryable): Promise<string[]> {
  const { rows } = await client.query<{ statement: string }>(
    'select statement from pg_prepared_statements where not from_sql order by prepare_time',
  );
  return rows.map(({ statement }) => statement);
}

/** How often a query of the pool found its statement prepared. */
export function hitsOf(pool: Pool): number {
  return pool.stats().statements!.hits;
}

/** Runs a query until it is prepared, on a pool or client that prepares at the second use. */
export async function prepare(client: Queryable, text: string, values: unknown[]): Promise<void> {
  for (let use = 0; use < 2; use++) await client.query(text, values);
}
