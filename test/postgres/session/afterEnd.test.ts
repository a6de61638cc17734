import pg from 'pg';
import Cursor from 'pg-cursor';
import { expect, it } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';
import { ended, failure, useClients, watch } from './support.js';

const postgres = await usePostgres();
const connect = useClients({ connectionString: postgres.url });

/** A client whose session the server has ended for being idle for too long. */
async function expired() {
  const client = await connect();
  watch(client, () => {});
  await client.query('set idle_session_timeout = 50');
  await ended(client);
  return client;
}

type Failing = (client: pg.Client, tell: (error: unknown) => void) => unknown;

const FORMS: [string, Failing][] = [
  ['a promise', (client, tell) => client.query('select 1').catch(tell)],
  ['a promise, with values', (client, tell) => client.query('select $1::int', [1]).catch(tell)],
  ['a callback', (client, tell) => client.query('select 1', tell)],
  ['a callback after values', (client, tell) => client.query('select $1::int', [1], tell)],
  [
    'a callback in the configuration',
    (client, tell) => client.query({ text: 'select 1', callback: tell } as pg.QueryConfig),
  ],
  ['a query of its own', (client, tell) => client.query(new pg.Query('select 1')).on('error', tell)],
  ['a cursor', (client, tell) => client.query(new Cursor('select 1')).read(1, tell)],
];

it.each(FORMS)('a query by %s names the farewell of the server', async (_, run) => {
  const client = await expired();
  const error = await new Promise((resolve) => run(client, resolve));
  expect(error).toMatchObject({ message: expect.stringContaining('not queryable'), cause: { code: '57P05' } });
});

it('a query that waited behind the one which met the farewell names it too', async () => {
  const client = await connect();
  watch(client, () => {});
  const { processID: pid } = client as unknown as { processID: number };
  const [active, queued] = [failure(client.query('select pg_sleep(20)')), failure(client.query('select 1'))];
  await expect.poll(async () => (await postgres.activity({ pid }))[0]?.state).toBe('active');
  await postgres.terminateBackends({ pid });
  expect(await active).toMatchObject({ code: '57P01' });
  expect(await queued).toMatchObject({ cause: { code: '57P01' } });
});

it('a client that the app has ended says what `pg` says', async () => {
  const client = await connect();
  watch(client, () => {});
  await client.end();
  const error = await failure(client.query('select 1'));
  expect(error.message).toBe('Client was closed and is not queryable');
  expect(error.cause).toBeUndefined();
});
