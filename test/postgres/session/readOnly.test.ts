import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pgConnector } from '@tenure/core/pg';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';
import { connectorFor, failure, soon, watch } from './support.js';

const postgres = await usePostgres();
await postgres.admin('create table numbers (n int); grant all on numbers to app');
const connector = pgConnector(postgres.url);
const session = connectorFor();
const WRITE = 'insert into numbers values (1)';

const onReadOnly = vi.fn();
const clients: pg.Client[] = [];
beforeEach(() => void onReadOnly.mockReset());
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.end()));
  await serverWrites(true);
});

async function open(options?: string): Promise<pg.Client> {
  const { connect } = options ? pgConnector({ connectionString: postgres.url, options }) : connector;
  const client = await connect(soon(), () => {}, onReadOnly);
  clients.push(client);
  return client;
}

/** Makes the server take writes, or none. Its sessions get that with their next query. */
async function serverWrites(takesWrites: boolean): Promise<void> {
  await postgres.admin(`alter system set default_transaction_read_only = ${takesWrites ? 'off' : 'on'}`);
  await postgres.admin('select pg_reload_conf()');
  const seen = async () => (await postgres.admin('show default_transaction_read_only'))[0];
  await expect.poll(seen).toEqual({ default_transaction_read_only: takesWrites ? 'off' : 'on' });
}

/** The error may be read before ReadyForQuery is. */
async function refusedWrite(client: pg.Client): Promise<void> {
  expect(await failure(client.query(WRITE))).toMatchObject({ code: '25006' });
  await session.reset(client, 'settle', soon());
}

describe('a session whose server takes no writes any more', () => {
  it('tells once, with the write that is refused', async () => {
    const client = await open();
    await client.query(WRITE);
    await serverWrites(false);
    await refusedWrite(client);
    expect(onReadOnly).toHaveBeenCalledTimes(1);
    await refusedWrite(client);
    expect(onReadOnly).toHaveBeenCalledTimes(1);
  });

  it('tells also when a read came before the write', async () => {
    const client = await open();
    await serverWrites(false);
    await client.query('select 1');
    expect(onReadOnly).not.toHaveBeenCalled();
    await refusedWrite(client);
    expect(onReadOnly).toHaveBeenCalledTimes(1);
  });

  it('tells when it is checked, before any write fails', async () => {
    const client = await open();
    await serverWrites(false);
    await session.ping(client, soon());
    expect(onReadOnly).toHaveBeenCalledTimes(1);
  });
});

describe('not news about the server', () => {
  it('a write in a transaction that the app declared READ ONLY', async () => {
    const client = await open();
    await client.query('begin read only');
    await refusedWrite(client);
    await session.reset(client, 'rollback', soon());
    await session.ping(client, soon());
    expect(onReadOnly).not.toHaveBeenCalled();
  });

  it('a session that the app has made read-only, until it writes', async () => {
    const client = await open();
    await client.query('set session characteristics as transaction read only');
    await session.ping(client, soon());
    expect(onReadOnly).not.toHaveBeenCalled();
  });

  it('a session that was read-only from the start, by its own settings', async () => {
    const client = await open('-c default_transaction_read_only=on');
    await refusedWrite(client);
    await session.ping(client, soon());
    expect(onReadOnly).not.toHaveBeenCalled();
  });

  it("a session that the app's set-up made read-only", async () => {
    const setUp = (client: pg.Client) => client.query('set default_transaction_read_only = on');
    const client = await pgConnector(postgres.url, { setUp }).connect(soon(), () => {}, onReadOnly);
    clients.push(client);
    await refusedWrite(client);
    await session.ping(client, soon());
    expect(onReadOnly).not.toHaveBeenCalled();
  });

  it('anything on a server that does not report, or a client that was not observed from the start', async () => {
    const client = new pg.Client(postgres.url);
    await client.connect();
    clients.push(client);
    watch(client, () => {}, onReadOnly);
    await serverWrites(false);
    await session.ping(client, soon());
    await refusedWrite(client);
    expect(onReadOnly).not.toHaveBeenCalled();
  });
});

describe('a replica', () => {
  it('takes no writes, and is never news', async () => {
    const [row] = await postgres.admin<{ folder: string }>(`select current_setting('data_directory') as folder`);
    await postgres.stopServer();
    await writeFile(join(row!.folder, 'standby.signal'), '');
    // It resolves when the server takes writes.
    const promoted = postgres.startServer();
    try {
      await expect.poll(() => postgres.activity().catch(() => 'not yet'), { timeout: 10_000 }).toEqual([]);
      const client = await open();
      expect(await session.isWritable(client, soon())).toBe(false);
      await refusedWrite(client);
      await session.ping(client, soon());
      await postgres.admin('select pg_promote()');
      expect(await session.isWritable(client, soon())).toBe(true);
      expect(onReadOnly).not.toHaveBeenCalled();
    } finally {
      await promoted;
    }
  });
});

describe('the question whether a session may write', () => {
  it.each([
    ['yes', undefined, true],
    ['no', '-c default_transaction_read_only=on', false],
  ])('is answered %s', async (_, options, answer) => {
    const client = await open(options);
    const query = vi.spyOn(client.connection as unknown as { query(text: string): void }, 'query');
    expect(await session.isWritable(client, soon())).toBe(answer);
    expect(query).toHaveBeenCalledTimes(1);
  });

  it('is answered no when the server has changed its mind, which is told as well', async () => {
    const client = await open();
    await serverWrites(false);
    expect(await session.isWritable(client, soon())).toBe(false);
    expect(onReadOnly).toHaveBeenCalledTimes(1);
  });

  it('is not put to a session inside a transaction, nor to one that has ended', async () => {
    const client = await open();
    await client.query('begin');
    expect((await failure(session.isWritable(client, soon()))).message).toContain('its status is "transaction"');
    await postgres.terminateBackends();
    await expect.poll(() => session.isOpen(client)).toBe(false);
    expect(await failure(session.isWritable(client, soon()))).toMatchObject({ code: '57P01' });
  });
});
