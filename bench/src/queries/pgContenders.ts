import type { PolicyOverrides } from '@tenure/core';
import { Pool } from '@tenure/core/pg';
import pg from 'pg';
import postgres from 'postgres';
import type { Name } from './names.js';
import { operationsOf, type Run } from './sql.js';
import { CALLERS, type Contender, IDLE_MS, MAX } from './workloads.js';

/** A client for each caller, and no pool: with named statements, the best that `pg` can do. */
export async function rawClients(name: Name, url: string, named: boolean): Promise<Contender> {
  const clients = Array.from({ length: MAX }, () => new pg.Client({ connectionString: url }));
  await Promise.all(clients.map((client) => client.connect()));
  const runOn = (client: pg.Client): Run =>
    named
      ? (name, text, values) => client.query({ name, text, values })
      : (_name, text, values) => client.query(text, values);
  const runs = clients.map(runOn);
  return {
    name,
    callers: MAX,
    operations: operationsOf(
      (caller) => runs[caller]!,
      (caller, work) => transactOn(clients[caller]!, () => work(runs[caller]!)),
    ),
    close: () => Promise.all(clients.map((client) => client.end())),
  };
}

export function stockPool(name: Name, url: string): Contender {
  return withPool(name, new pg.Pool({ connectionString: url, max: MAX, idleTimeoutMillis: IDLE_MS }));
}

export function tenurePool(name: Name, url: string, policy: PolicyOverrides = {}): Contender {
  return withPool(name, new Pool({ connectionString: url, max: MAX, idleTimeoutMillis: IDLE_MS, policy }));
}

function withPool(name: Name, pool: pg.Pool): Contender {
  const run: Run = (_name, text, values) => pool.query(text, values);
  return {
    name,
    callers: CALLERS,
    operations: operationsOf(
      () => run,
      async (_caller, work) => {
        const client = await pool.connect();
        try {
          await transactOn(client, () => work((_name, text, values) => client.query(text, values)));
        } finally {
          client.release();
        }
      },
    ),
    close: () => pool.end(),
  };
}

async function transactOn(client: pg.ClientBase, work: () => Promise<void>): Promise<void> {
  await client.query('begin');
  await work();
  await client.query('commit');
}

/** postgres.js, which names statements by itself, and sends several queries on one connection without waiting for the answers. */
export function postgresJs(name: Name, url: string): Contender {
  const sql = postgres(url, { max: MAX, onnotice: () => {} });
  const runOn =
    (session: postgres.ISql): Run =>
    (_name, text, values) =>
      session.unsafe(text, values as postgres.ParameterOrJSON<never>[], { prepare: true });
  const run = runOn(sql);
  return {
    name,
    callers: CALLERS,
    operations: operationsOf(
      () => run,
      (_caller, work) => sql.begin((session) => work(runOn(session))),
    ),
    close: () => sql.end(),
  };
}
