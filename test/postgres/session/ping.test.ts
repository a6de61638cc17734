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
const open = useClients({ connectionString: postgres.url });
const session = connectorFor();
const ping = (signal = soon()) => session.ping(client, signal);

let client: Awaited<ReturnType<typeof open>>;
beforeEach(async () => {
  client = await open();
  watch(client, () => {});
});

describe('a ping', () => {
  it('takes one round trip, of a query that is empty to the server', async () => {
    const empty = vi.fn();
    client.connection.on('emptyQuery', empty);
    await ping();
    expect(empty).toHaveBeenCalledTimes(1);
    expect(session.transactionStatus(client)).toBe('idle');
  });

  it.each(PHASES)('hears the answer from the %s phase, on a loop that is blocked when it arrives', async (_, enter) => {
    await inPhase(enter, () => {
      const answered = ping();
      blockLoop(50);
      return answered;
    });
  });

  it.each(PHASES)('hears a goodbye from the %s phase that waits in the socket', async (_, enter) => {
    const outcome = inPhase(enter, async () => {
      client.query(`set idle_session_timeout = '200ms'`);
      await session.reset(client, 'settle', soon());
      blockLoopUntilGone(client);
      expect(session.isOpen(client)).toBe(true);
      await ping();
    });
    expect(await failure(outcome)).toMatchObject({ code: '57P05' });
  });

  it('fails when the session is ended before it is asked', async () => {
    client.connection.stream.pause();
    await postgres.terminateBackends();
    const outcome = failure(ping());
    client.connection.stream.resume();
    expect(await outcome).toMatchObject({ code: '57P01' });
  });

  it('fails with the reason when the session has ended', async () => {
    await postgres.terminateBackends();
    await expect.poll(() => session.isOpen(client)).toBe(false);
    expect(await failure(ping())).toMatchObject({ code: '57P01' });
  });

  it.each([
    ['active', 'select pg_sleep(0.05)'],
    ['transaction', 'begin'],
    ['failed-transaction', 'begin; select 1/0'],
  ])('refuses a session whose status is %s', async (status, sql) => {
    const query = client.query(sql).catch(() => {});
    if (status !== 'active') await session.reset(client, 'settle', soon());
    const sent = vi.spyOn(client, 'query');
    expect(await failure(ping())).toMatchObject({
      message: `The session cannot be checked: its status is "${status}"`,
    });
    expect(sent).not.toHaveBeenCalled();
    await query;
  });

  it('that was aborted leaves its late answer to nobody', async () => {
    client.connection.stream.pause();
    const controller = new AbortController();
    const outcome = failure(ping(controller.signal));
    const reason = new Error('time is up');
    controller.abort(reason);
    expect(await outcome).toBe(reason);
    expect(session.transactionStatus(client)).toBe('active');
    client.connection.stream.resume();
    await session.reset(client, 'settle', soon());
    expect(await failure(ping(controller.signal))).toBe(reason);
    expect(session.transactionStatus(client)).toBe('idle');
    expect(await client.query('select 1 as one')).toMatchObject({ rows: [{ one: 1 }] });
  });
});
