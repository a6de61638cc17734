import type pg from 'pg';
import { describe, expect, it, vi } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';
import { connectorFor, failure, soon, useClients, watch } from './support.js';

const postgres = await usePostgres();
await postgres.admin('create role readers; grant readers to app; create role writers; grant writers to app');
await postgres.admin('create schema own; grant all on schema own to app');

const connect = useClients({ connectionString: postgres.url });
const session = connectorFor();
const resetSession = (client: pg.Client, { reset } = session) => reset(client, 'session', soon());

async function open(config?: pg.ClientConfig): Promise<pg.Client> {
  const client = await connect(config);
  watch(client, () => {});
  return client;
}

async function ask(client: pg.Client, sql: string): Promise<unknown> {
  const { rows } = await client.query({ text: sql, rowMode: 'array' });
  return rows[0]?.[0];
}

describe('a session reset', () => {
  it.each([
    ['settings', `set search_path = own; set statement_timeout = 1234`, `select current_setting('search_path')`],
    ['the role', 'set role readers', 'select current_user'],
    ['temporary tables', 'create temp table mine (n int)', `select to_regclass('mine')`],
    ['cursors held', 'declare mine cursor with hold for select 1', 'select count(*) from pg_cursors'],
    ['channels listened to', 'listen mine', 'select count(*) from (select pg_listening_channels()) channels'],
    ['advisory locks', 'select pg_advisory_lock(1)', `select count(*) from pg_locks where locktype = 'advisory'`],
    ['a read-only default', 'set default_transaction_read_only = on', 'show transaction_read_only'],
  ])('clears %s', async (_, mess, question) => {
    const client = await open();
    const fresh = await ask(client, question);
    await client.query(mess);
    expect(await ask(client, question)).not.toEqual(fresh);
    expect(await resetSession(client)).toEqual({ rolledBack: false });
    expect(await ask(client, question)).toEqual(fresh);
  });

  it('clears what sequences have given', async () => {
    const client = await open();
    await client.query(`create sequence own.ids; select nextval('own.ids')`);
    expect(await ask(client, 'select lastval()')).toBe('1');
    await resetSession(client);
    expect(await failure(client.query('select lastval()'))).toMatchObject({ code: '55000' });
  });

  it.each([
    ['search_path', 'own', { options: '-c search_path=own' }],
    ['statement_timeout', '1234ms', { statement_timeout: 1234 }],
    ['application_name', 'mine', { application_name: 'mine' }],
    ['role', 'readers', { options: '-c role=readers' }],
    ['lock_timeout', '77ms', { lock_timeout: 77 }],
  ])('goes back to the %s that the session began with', async (name, atStart, config) => {
    const client = await open(config);
    expect(await ask(client, `show ${name}`)).toBe(atStart);
    await client.query(`set ${name} = ${name === 'role' ? 'writers' : '99'}`);
    await resetSession(client);
    expect(await ask(client, `show ${name}`)).toBe(atStart);
  });

  it('goes back to the role that the user always begins with', async () => {
    await postgres.admin('alter role app set role readers');
    const client = await open();
    await client.query('set role writers');
    await resetSession(client);
    expect(await ask(client, 'select current_user')).toBe('readers');
    await postgres.admin('alter role app reset role');
  });

  it('keeps prepared statements', async () => {
    const client = await open();
    const named = { name: 'one', text: 'select 1 as one' };
    await client.query(named);
    await resetSession(client);
    expect(await ask(client, 'select count(*) from pg_prepared_statements')).toBe('1');
    expect(await client.query(named)).toMatchObject({ rows: [{ one: 1 }] });
  });

  it('rolls an open or failed transaction back first, in the same round trip', async () => {
    const client = await open();
    await client.query('begin; set local search_path = own');
    await failure(client.query('select 1/0'));
    const query = vi.spyOn(client.connection as unknown as { query(text: string): void }, 'query');
    expect(await resetSession(client)).toEqual({ rolledBack: true });
    expect(query).toHaveBeenCalledTimes(1);
    expect(session.transactionStatus(client)).toBe('idle');
  });

  it('works in pipeline mode', async () => {
    const client = await open({ pipeline: true });
    await client.query('begin');
    expect(await resetSession(client)).toEqual({ rolledBack: true });
  });

  it('works for a superuser who has become someone else', async () => {
    const client = await open({ connectionString: postgres.superuserUrl });
    await client.query('set session authorization app; set role readers');
    await resetSession(client);
    expect(await ask(client, `select session_user || ' ' || current_user`)).toBe('postgres postgres');
  });
});

describe("the app's set-up", () => {
  const withSetUp = (setUp: (client: pg.Client) => Promise<unknown>) => connectorFor<pg.Client>({ setUp });

  it('runs again after a session reset, and only then', async () => {
    const setUp = vi.fn((client: pg.Client) => client.query(`set search_path = own`));
    const { reset } = withSetUp(setUp);
    const client = await open();
    await reset(client, 'settle', soon());
    await reset(client, 'rollback', soon());
    expect(setUp).not.toHaveBeenCalled();
    await reset(client, 'session', soon());
    expect(setUp).toHaveBeenCalledTimes(1);
    expect(await ask(client, 'show search_path')).toBe('own');
  });

  it('fails the reset when it fails', async () => {
    const client = await open();
    const reset = resetSession(
      client,
      withSetUp((client) => client.query('select 1/0')),
    );
    expect(await failure(reset)).toMatchObject({ code: '22012' });
  });

  it('fails the reset when it leaves a transaction open', async () => {
    const client = await open();
    const reset = resetSession(
      client,
      withSetUp((client) => client.query('begin')),
    );
    expect(await failure(reset)).toMatchObject({ message: 'The session is not ready: its status is "transaction"' });
  });

  it('is not waited for once the signal is aborted', async () => {
    const client = await open();
    const controller = new AbortController();
    const reason = new Error('time is up');
    const { reset } = withSetUp(() => {
      controller.abort(reason);
      return new Promise(() => {});
    });
    expect(await failure(reset(client, 'session', controller.signal))).toBe(reason);
  });
});
