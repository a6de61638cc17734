import { beforeEach, describe, expect, it, vi } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';
import {
  blockLoop,
  blockLoopUntilGone,
  connectorFor,
  failure,
  inPhase,
  PHASES,
  soon,
  useClients,
  watch,
} from './support.js';

const postgres = await usePostgres();
await postgres.admin('create table counters (id int primary key, n int); grant all on counters to app');
await postgres.admin('insert into counters values (1, 0)');

const open = useClients({ connectionString: postgres.url });
const session = connectorFor();
const rollback = () => session.reset(client, 'rollback', soon());

let client: Awaited<ReturnType<typeof open>>;
beforeEach(async () => {
  client = await open();
  watch(client, () => {});
});

const count = async () => (await postgres.admin('select n from counters'))[0]?.n;

describe('a rollback', () => {
  it('ends an open transaction, and frees its locks', async () => {
    await client.query('begin');
    await client.query('update counters set n = n + 1');
    expect(await rollback()).toEqual({ rolledBack: true });
    expect(session.transactionStatus(client)).toBe('idle');
    await postgres.admin(`set lock_timeout = '1s'; update counters set n = n where id = 1`);
    expect(await count()).toBe(0);
  });

  it('ends a failed transaction', async () => {
    await client.query('begin');
    await failure(client.query('select 1/0'));
    expect(await rollback()).toEqual({ rolledBack: true });
    expect(session.transactionStatus(client)).toBe('idle');
  });

  it('ends a transaction with savepoints', async () => {
    await client.query('begin; savepoint a; savepoint b');
    expect(await rollback()).toEqual({ rolledBack: true });
    expect(session.transactionStatus(client)).toBe('idle');
  });

  it('waits for the queries before it, and ends the transaction that they open', async () => {
    const queries = ['select pg_sleep(0.02)', 'begin', 'update counters set n = n + 1'].map((sql) => client.query(sql));
    expect(await rollback()).toEqual({ rolledBack: true });
    await Promise.all(queries);
    expect(await count()).toBe(0);
  });

  it.each(PHASES)('in the %s phase, on a loop that is blocked until the server has answered', async (_, enter) => {
    await client.query('begin');
    const query = failure(client.query('select pg_sleep(0.02), 1/0'));
    const result = inPhase(enter, () => {
      const waiting = rollback();
      blockLoop(150);
      return waiting;
    });
    expect(await result).toEqual({ rolledBack: true });
    expect(session.transactionStatus(client)).toBe('idle');
    await query;
  });

  it('asks nothing of a session without a transaction', async () => {
    await failure(client.query('select 1/0'));
    const query = vi.spyOn(client, 'query');
    expect(await rollback()).toEqual({ rolledBack: false });
    expect(query).not.toHaveBeenCalled();
  });

  it('leaves what the session has set', async () => {
    await client.query(`set application_name = 'mine'`);
    await client.query('begin');
    await rollback();
    expect(await client.query('show application_name')).toMatchObject({ rows: [{ application_name: 'mine' }] });
  });

  it('in pipeline mode ends the transaction', async () => {
    client = await open({ pipeline: true });
    client.query('begin');
    expect(await rollback()).toEqual({ rolledBack: true });
    expect(session.transactionStatus(client)).toBe('idle');
  });

  it('is sent to a client that cannot tell its status', async () => {
    await client.query('begin');
    Object.defineProperty(client, 'getTransactionStatus', { value: undefined });
    expect(await rollback()).toEqual({ rolledBack: false });
    expect((client as unknown as { _txStatus: string })._txStatus).toBe('I');
  });
});

/** Something between client and server rewrites what the client sends. */
function sendInstead(text: string): void {
  const connection = client.connection as unknown as { query(text: string): void };
  const send = connection.query.bind(connection);
  vi.spyOn(connection, 'query').mockImplementation(() => send(text));
}

describe('a rollback fails', () => {
  it('when the transaction is still open after it', async () => {
    await client.query('begin');
    sendInstead('rollback and chain');
    expect(await failure(rollback())).toMatchObject({
      message: 'The session is not ready: its status is "transaction"',
    });
  });

  it('when the server does not carry it out', async () => {
    await client.query('begin');
    sendInstead('select 1/0');
    expect(await failure(rollback())).toMatchObject({ code: '22012' });
  });

  it('when the server has ended the session, and the goodbye is not read yet', async () => {
    await client.query(`set idle_in_transaction_session_timeout = '200ms'; begin`);
    blockLoopUntilGone(client);
    expect(session.transactionStatus(client)).toBe('transaction');
    expect(await failure(rollback())).toMatchObject({ code: '25P03' });
  });

  it('once its signal is aborted', async () => {
    const query = client.query('begin; select pg_sleep(0.2)');
    const reason = new Error('time is up');
    const controller = new AbortController();
    const outcome = failure(session.reset(client, 'rollback', controller.signal));
    controller.abort(reason);
    expect(await outcome).toBe(reason);
    await query;
  });
});
