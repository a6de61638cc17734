import type { PgClient } from '@tenure/core/adapter';
import { expect, it, vi } from 'vitest';
import { connectorFor, watch } from '../postgres/session/support.js';
import { usePostgres } from '../support/usePostgres.js';
import { useKnex } from './support.js';

const postgres = await usePostgres();
const { open } = useKnex(postgres);
const session = connectorFor();

it.each([
  ['a config', {}],
  ['settings that Knex fetches first', { connection: async () => ({ connectionString: postgres.url }) }],
])('what the server says of itself when Knex connects is heard, with %s', async (_, config) => {
  const db = open(config, { maxConnections: 1 });
  const connection: PgClient = await db.client.acquireConnection();
  const onReadOnly = vi.fn();
  watch(connection, () => {}, onReadOnly);
  await postgres.admin('alter system set default_transaction_read_only = on');
  await postgres.admin('select pg_reload_conf()');
  const signal = AbortSignal.timeout(10_000);
  await expect.poll(() => session.isWritable(connection, signal)).toBe(false);
  expect(onReadOnly).toHaveBeenCalledTimes(1);
  await postgres.admin('alter system reset default_transaction_read_only');
  await postgres.admin('select pg_reload_conf()');
  await expect.poll(() => session.isWritable(connection, signal)).toBe(true);
  await db.client.releaseConnection(connection);
});
