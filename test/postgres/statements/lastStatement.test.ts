import { type PolicyOverrides, parsePolicy } from '@tenure/core';
import { pgConnector } from '@tenure/core/pg';
import Cursor from 'pg-cursor';
import QueryStream from 'pg-query-stream';
import { expect, it, onTestFinished } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';
import { failure, soon } from '../session/support.js';

const postgres = await usePostgres();

async function kept(policy: PolicyOverrides) {
  const connector = pgConnector(postgres.url);
  connector.usePolicy?.(parsePolicy({}, { statements: 0, ...policy }), { warn() {} });
  const client = await connector.connect(
    soon(),
    () => {},
    () => {},
  );
  onTestFinished(() => client.end());
  return { client, last: () => connector.lastStatement?.(client) };
}

it('is the text of what the client sent last, without parameter values, when leaks are reported', async () => {
  const { client, last } = await kept({ leakAfterMs: 1_000 });
  expect(last()).toBe(undefined);
  await client.query('select 1');
  expect(last()).toBe('select 1');
  await client.query('select $1::text as secret', ['s3cret']);
  expect(last()).toBe('select $1::text as secret');
  await failure(client.query('select nothing'));
  expect(last()).toBe('select nothing');
  await client.query({ name: 'mine', text: 'select 2' });
  expect(last()).toBe('select 2');
});

it('is known of cursors and streams', async () => {
  const { client, last } = await kept({ leakAfterMs: 1_000 });
  const cursor = client.query(new Cursor('select 3'));
  await cursor.close();
  expect(last()).toBe('select 3');
  for await (const row of client.query(new QueryStream('select 4 as four'))) expect(row).toEqual({ four: 4 });
  expect(last()).toBe('select 4 as four');
});

it('is not kept when nobody will ask', async () => {
  const { client, last } = await kept({});
  await client.query('select 1');
  expect(last()).toBe(undefined);
});

it('is never a look of our own', async () => {
  const { client, last } = await kept({ leakAfterMs: 1_000, statements: 1, prepareThreshold: 1 });
  const texts: string[] = [];
  const { query } = client.connection;
  client.connection.query = (text) => {
    texts.push(text);
    expect(last()).toBe(undefined);
    query.call(client.connection, text);
  };
  await client.query('select $1::int as looking', [1]);
  expect(texts).toEqual([expect.stringContaining('have tables changed')]);
  expect(last()).toBe('select $1::int as looking');
});
