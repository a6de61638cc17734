import { beforeEach, describe, expect, it } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';
import { blockLoop, connectorFor, ended, failure, inPhase, PHASES, soon, useClients, watch } from './support.js';

const postgres = await usePostgres();
const open = useClients({ connectionString: postgres.url });
const session = connectorFor();
const settle = (signal = soon()) => session.reset(client, 'settle', signal);

let client: Awaited<ReturnType<typeof open>>;
let readyCount: number;
beforeEach(async () => {
  client = await open();
  watch(client, () => {});
  readyCount = 0;
  client.connection.on('readyForQuery', () => readyCount++);
});

/** Runs `act` in the callback of a query's error, where `pg` has not read ReadyForQuery yet. */
function onError<T>(sql: string, act: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    client.query(sql, (error) => (error ? act().then(resolve, reject) : reject(new Error('It did not fail'))));
  });
}

const raise = (code: string) => `do $$ begin raise 'raised' using errcode = '${code}'; end $$`;

describe('a session settles', () => {
  it('at once when nothing is open', async () => {
    expect(await settle()).toEqual({ rolledBack: false });
    expect(readyCount).toBe(0);
  });

  it.each(PHASES)('when its query has been answered, asked from the %s phase', async (_, enter) => {
    const answer = client.query('select pg_sleep(0.05)');
    await inPhase(enter, settle);
    expect(readyCount).toBe(1);
    await answer;
  });

  it.each(PHASES)('when the answer arrived while the loop was blocked, asked from the %s phase', async (_, enter) => {
    const answer = client.query('select pg_sleep(0.05)');
    await inPhase(enter, () => {
      const settled = settle();
      blockLoop(200);
      return settled;
    });
    expect(readyCount).toBe(1);
    await answer;
  });

  it.each(PHASES)(
    'when its error had arrived while the loop was blocked, asked from the %s phase',
    async (_, enter) => {
      const error = failure(client.query('select pg_sleep(0.05), 1/0'));
      await inPhase(enter, () => {
        blockLoop(200);
        return settle();
      });
      expect(readyCount).toBe(1);
      expect(await error).toMatchObject({ code: '22012' });
    },
  );

  it('in the callback of an error, once ReadyForQuery has been read', async () => {
    await onError('select 1/0', () => {
      expect(readyCount).toBe(0);
      return settle();
    });
    expect(readyCount).toBe(1);
    expect(session.transactionStatus(client)).toBe('idle');
  });

  it('when all that is queued has been answered', async () => {
    const answers = [1, 2, 3].map((n) => client.query(`select pg_sleep(0.02), ${n}`));
    await settle();
    expect(readyCount).toBe(3);
    await Promise.all(answers);
  });

  it('after a query that another listener sends when it is told of the drain', async () => {
    client.once('drain', () => client.query('select pg_sleep(0.02)'));
    client.query('select 1');
    await settle();
    expect(readyCount).toBe(2);
  });

  it('after a query that pg refused to send, which no answer will follow', async () => {
    const refused = { text: 'select $1', values: 'not an array' as unknown as unknown[] };
    await new Promise<void>((resolve, reject) => {
      client.query(refused, (error: Error) => (error ? settle().then(() => resolve(), reject) : reject()));
    });
    expect(readyCount).toBe(0);
    expect(session.transactionStatus(client)).toBe('idle');
  });

  it('after a parameter that could not be serialised', async () => {
    expect(await failure(client.query('select $1::json', [{ n: 1n }]))).toBeInstanceOf(TypeError);
    await settle();
    expect(await client.query('select 1 as one')).toMatchObject({ rows: [{ one: 1 }] });
  });

  it('after a query that the client gave up on', async () => {
    await failure(client.query({ text: 'select pg_sleep(1)', query_timeout: 20 } as { text: string }));
    await settle();
    expect(readyCount).toBe(1);
  });

  it.each(['57P01', '08P01', '25P04', '57P05'])('after %s was only raised', async (code) => {
    await onError(raise(code), settle);
    expect(session.isOpen(client)).toBe(true);
    expect(await client.query('select 1 as one')).toMatchObject({ rows: [{ one: 1 }] });
  });

  it('in the middle of a transaction, which stays as it is', async () => {
    await client.query('begin');
    await onError('select 1/0', settle);
    expect(session.transactionStatus(client)).toBe('failed-transaction');
  });

  it('on a client that cannot tell, such as the native one, when it has answered in its turn', async () => {
    const native = { query: client.query.bind(client), end: async () => {}, on: () => {}, removeListener: () => {} };
    const answer = client.query('select pg_sleep(0.02)');
    await session.reset(native, 'settle', soon());
    expect(readyCount).toBe(2);
    await answer;
  });

  it('in pipeline mode when the last answer has been read', async () => {
    client = await open({ pipeline: true });
    const answers = Promise.allSettled(['begin', 'select 1/0', 'select 1'].map((sql) => client.query(sql)));
    await settle();
    expect(session.transactionStatus(client)).toBe('failed-transaction');
    await answers;
  });
});

describe('a session does not settle', () => {
  it.each([
    ['25P04', `set transaction_timeout = '50ms'; begin; select pg_sleep(5)`],
    ['57P01', `select pg_terminate_backend(pg_backend_pid())`],
  ])('when it was ended by %s, although the client still says queryable', async (code, sql) => {
    const outcome = await failure(
      onError(sql, () => {
        expect(session.isOpen(client)).toBe(true);
        return settle();
      }),
    );
    expect(outcome).toMatchObject({ code });
    expect(readyCount).toBe(0);
  });

  it.each([
    ['57P05', `set idle_session_timeout = '50ms'`],
    ['25P03', `set idle_in_transaction_session_timeout = '50ms'; begin`],
  ])('when it was ended by %s while nothing was asked of it', async (code, sql) => {
    const end = ended(client);
    await client.query(sql);
    await end;
    expect(await failure(settle())).toMatchObject({ code });
  });

  it.each(PHASES)('when it is ended while it waits, asked from the %s phase', async (_, enter) => {
    // So that it cannot be cancelled.
    Object.assign(client, { processID: null });
    const query = failure(client.query('select pg_sleep(30)'));
    const settled = failure(inPhase(enter, settle));
    await postgres.terminateBackends();
    expect(await settled).toMatchObject({ code: '57P01' });
    expect(await query).toMatchObject({ code: '57P01' });
  });

  it.each(PHASES)('when its end arrived while the loop was blocked, asked from the %s phase', async (_, enter) => {
    await client.query(`set transaction_timeout = '50ms'; begin`);
    const query = failure(client.query('select pg_sleep(30)'));
    const settled = inPhase(enter, () => {
      const waiting = settle();
      blockLoop(200);
      return waiting;
    });
    expect(await failure(settled)).toMatchObject({ code: '25P04' });
    await query;
  });

  it('when its own client closes it meanwhile', async () => {
    const query = failure(client.query('select pg_sleep(30)'));
    const settled = failure(settle());
    await client.end();
    expect(await settled).toMatchObject({ name: 'EndedByAppError' });
    await query;
  });

  it('when pg has lost the thread, although the socket is still open', async () => {
    const query = failure(client.query('select pg_sleep(30)'));
    const settled = failure(settle());
    const error = new Error('Received unexpected message from backend');
    client.connection.emit('error', error);
    expect(await settled).toBe(error);
    await query;
  });

  it('once its signal is aborted, and leaves nothing behind', async () => {
    const listeners = () => client.eventNames().map((name) => [name, client.listenerCount(name)]);
    const before = listeners();
    const query = client.query('select pg_sleep(0.1)');
    const controller = new AbortController();
    const settled = failure(settle(controller.signal));
    const reason = new Error('time is up');
    controller.abort(reason);
    expect(await settled).toBe(reason);
    expect(listeners()).toEqual(before);
    await query;
    expect(await failure(settle(controller.signal))).toBe(reason);
  });

  it('between two reads of a cursor, as long as nobody closes it', async () => {
    // A portal that is read in parts and never again, as by a stream that nobody consumes: `pg` sends no Sync.
    const cursor = { submit: sendPortal, handleRowDescription() {}, handleDataRow() {}, handlePortalSuspended() {} };
    const suspended = new Promise((resolve) => client.connection.once('portalSuspended', resolve));
    client.query(Object.assign(cursor, { handleError() {} }));
    await suspended;
    const controller = new AbortController();
    const settled = failure(settle(controller.signal));
    setTimeout(() => controller.abort(), 50);
    expect(await settled).toMatchObject({ name: 'AbortError' });
    expect(session.transactionStatus(client)).toBe('active');
  });
});

function sendPortal(connection: typeof client.connection): void {
  const wire = connection as unknown as Record<
    'parse' | 'bind' | 'describe' | 'execute' | 'flush',
    (message?: object) => void
  >;
  wire.parse({ text: 'select generate_series(1, 3)', name: '', types: [] });
  wire.bind({ values: [] });
  wire.describe({ type: 'P', name: '' });
  wire.execute({ rows: 1 });
  wire.flush();
}
