import type pg from 'pg';
import { beforeEach, describe, expect, it } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';
import { connectorFor, ended, failure, soon, useClients, watch } from './support.js';

const postgres = await usePostgres();
const open = useClients({ connectionString: postgres.url });
const session = connectorFor();
const { transactionStatus: statusOf } = session;

let client: pg.Client;
beforeEach(async () => {
  client = await open();
  watch(client, () => {});
});

/** The status in the callback of a query, before `pg` goes on to the next. */
function statusAtAnswer(client: pg.Client, sql: string): Promise<string> {
  return new Promise((resolve) => client.query(sql, () => resolve(statusOf(client))));
}

describe('what a session is doing', () => {
  it('is nothing after it was opened, and after each answer', async () => {
    expect(statusOf(client)).toBe('idle');
    await client.query('select 1');
    expect(statusOf(client)).toBe('idle');
  });

  it('is a query until its answer has been read', async () => {
    const answer = client.query('select 1');
    expect(statusOf(client)).toBe('active');
    await answer;
    expect(statusOf(client)).toBe('idle');
  });

  it('is a query while one is queued behind the answer that is called back', async () => {
    const statuses = await Promise.all(['select 1', 'select 2'].map((sql) => statusAtAnswer(client, sql)));
    expect(statuses).toEqual(['active', 'idle']);
  });

  it('is a transaction, open or failed', async () => {
    await client.query('begin');
    expect(statusOf(client)).toBe('transaction');
    await failure(client.query('select 1/0'));
    await session.reset(client, 'settle', soon());
    expect(statusOf(client)).toBe('failed-transaction');
    await client.query('rollback');
    expect(statusOf(client)).toBe('idle');
  });

  it('is a query just after an error, whose ReadyForQuery is not read yet', async () => {
    expect(await statusAtAnswer(client, 'select 1/0')).toBe('active');
  });

  it('is a query that only the client gave up on', async () => {
    const query = { text: 'select pg_sleep(1)', query_timeout: 20 };
    expect(await failure(client.query(query))).toMatchObject({ message: 'Query read timeout' });
    expect(statusOf(client)).toBe('active');
    await session.reset(client, 'settle', soon());
    expect(statusOf(client)).toBe('idle');
  });

  it('is a query while one that reads row by row is between two reads', async () => {
    // Imitates pg-cursor: rows: 1 leaves the portal suspended after each row.
    const portal = { text: 'select generate_series(1, 3)', rows: 1 };
    const statuses: string[] = [];
    client.connection.on('portalSuspended', () => statuses.push(statusOf(client)));
    await client.query(portal);
    expect(statuses).toEqual(['active', 'active', 'active']);
    expect(statusOf(client)).toBe('idle');
  });

  it('cannot be told of a session that is over', async () => {
    const end = ended(client);
    await postgres.terminateBackends();
    await end;
    expect(statusOf(client)).toBe('unknown');
  });

  it('cannot be told of a client that has no status to read', () => {
    const native = { query: () => {}, end: async () => {}, on: () => {}, removeListener: () => {} };
    expect(statusOf(native)).toBe('unknown');
  });
});

describe('what a session in pipeline mode is doing', () => {
  it('is queries until the last answer has been read', async () => {
    const piped = await open({ pipeline: true });
    const answers = ['begin', 'select 1', 'select 2'].map((sql) => statusAtAnswer(piped, sql));
    expect(statusOf(piped)).toBe('active');
    const statuses = await Promise.all(answers);
    expect(statuses).toEqual(['active', 'active', 'transaction']);
  });

  it('goes on after an error in the middle', async () => {
    const piped = await open({ pipeline: true });
    const answers = await Promise.allSettled(['select 1', 'select 1/0', 'select 2'].map((sql) => piped.query(sql)));
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    await session.reset(piped, 'settle', soon());
    expect(statusOf(piped)).toBe('idle');
  });
});
