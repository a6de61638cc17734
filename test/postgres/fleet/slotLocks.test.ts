import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { parsePolicy } from '../../../packages/core/src/policy/parsePolicy.js';
import type { PolicyOverrides } from '../../../packages/core/src/policy/policy.js';
import { PgSlotLocks } from '../../../packages/core/src/postgres/slotLocks.js';
import { usePostgres } from '../../support/usePostgres.js';

const postgres = await usePostgres();
const clients: pg.Client[] = [];
const { signal } = new AbortController();

afterEach(async () => {
  for (const client of clients.splice(0)) await client.end();
});

async function connect(): Promise<pg.Client> {
  const client = new pg.Client(postgres.url);
  client.on('error', () => {});
  await client.connect();
  clients.push(client);
  return client;
}

const locksOf = (member: number, policy: PolicyOverrides = {}) =>
  new PgSlotLocks<pg.Client>(parsePolicy({}, policy), member, () => undefined);
const take = (client: pg.Client, count: number, { limit = 4, own = [] as number[] } = {}) =>
  locksOf(1).take(client, { count, limit, start: 0, own }, signal);

/** The sessions that have a lock on each slot. */
async function holders(): Promise<Record<number, number>> {
  const rows = await postgres.admin<{ slot: number; sessions: number }>(
    "select objid::int as slot, count(*)::int as sessions from pg_locks where locktype = 'advisory' and objid < 1000 group by 1 order by 1",
  );
  return Object.fromEntries(rows.map(({ slot, sessions }) => [slot, sessions]));
}

describe('take', () => {
  it('takes as many slots as are free, and each slot once', async () => {
    const [one, other] = [await connect(), await connect()];
    expect(await take(one, 3)).toEqual([0, 1, 2]);
    expect(await take(other, 3)).toEqual([3]);
    expect(await take(other, 3, { own: [3] })).toEqual([]);
    expect(await holders()).toEqual({ 0: 1, 1: 1, 2: 1, 3: 1 });
  });

  it('does not take a slot that its own session holds: to a session its own lock is no obstacle', async () => {
    const client = await connect();
    expect(await take(client, 2)).toEqual([0, 1]);
    expect(await take(client, 4, { own: [0, 1] })).toEqual([2, 3]);
    // Without that list it takes its own slots again, and the budget would not hold. So this tests the guard.
    expect(await take(client, 4)).toEqual([0, 1, 2, 3]);
  });

  it('two that take at the same moment never get the same slot', async () => {
    const all = await Promise.all(Array.from({ length: 8 }, connect));
    for (let round = 0; round < 20; round++) {
      const taken = await Promise.all(all.map((client) => take(client, 2, { limit: 10 })));
      expect(new Set(taken.flat()).size).toBe(taken.flat().length);
      await Promise.all(
        all.map((client, index) => taken[index]!.length > 0 && locksOf(1).release(client, taken[index]!, signal)),
      );
    }
    expect(await holders()).toEqual({});
  });

  it('a slot is free again when its session ends, however it ends', async () => {
    const [one, other] = [await connect(), await connect()];
    await take(one, 4);
    (one as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
    await expect.poll(() => take(other, 4)).toEqual([0, 1, 2, 3]);
  });

  it('budgets of two names have nothing to do with each other', async () => {
    const client = await connect();
    const other = locksOf(1, { budgetName: 'orders' });
    await take(client, 4);
    expect(await other.take(await connect(), { count: 4, limit: 4, start: 2, own: [] }, signal)).toEqual([2, 3, 0, 1]);
  });
});

describe('inherit', () => {
  it('takes over a slot without a moment in which nobody holds it', async () => {
    const [from, to, third] = [await connect(), await connect(), await connect()];
    const [slot] = await take(from, 1, { limit: 1 });
    expect(await locksOf(1).inherit(to, slot!, from, signal)).toBe(true);
    await locksOf(1).release(from, [slot!], signal);
    expect(await take(third, 1, { limit: 1 })).toEqual([]);
    expect(await locksOf(1).audit(third, signal)).toEqual(
      new Set([(to as unknown as { processID: number }).processID]),
    );
  });

  it('fails when the session that reserved the slot was lost, and a third one has taken it', async () => {
    const [from, to, third] = [await connect(), await connect(), await connect()];
    const [slot] = await take(from, 1, { limit: 1 });
    await from.end();
    await expect.poll(() => take(third, 1, { limit: 1 })).toEqual([slot]);
    expect(await locksOf(1).inherit(to, slot!, from, signal)).toBe(false);
    expect(await holders()).toMatchObject({ 0: 1 });
  });

  it('succeeds when the session that reserved the slot was lost, and nobody has taken it', async () => {
    const [from, to, third] = [await connect(), await connect(), await connect()];
    const [slot] = await take(from, 1, { limit: 1 });
    await from.end();
    expect(await locksOf(1).inherit(to, slot!, from, signal)).toBe(true);
    expect(await take(third, 1, { limit: 1 })).toEqual([]);
  });
});

describe('keep', () => {
  it('takes a slot again that was released by the app', async () => {
    const client = await connect();
    const [slot] = await take(client, 1);
    await locksOf(1).enter(client, signal);
    await client.query('select pg_advisory_unlock_all()');
    expect(locksOf(1).mayHaveLost(client)).toBe(true);
    expect(locksOf(1).mayHaveLost(client)).toBe(false);
    expect(await locksOf(1).keep(client, slot!, signal)).toBe(true);
    expect(await take(await connect(), 4)).toEqual([1, 2, 3]);
  });

  it('says that the slot is lost when another session has taken it meanwhile', async () => {
    const [client, other] = [await connect(), await connect()];
    const [slot] = await take(client, 1);
    await client.query('DISCARD  ALL');
    await take(other, 1);
    expect(await locksOf(1).keep(client, slot!, signal)).toBe(false);
    expect(await holders()).toMatchObject({ 0: 1 });
  });
});

describe('hunger', () => {
  it('is seen by others while it is shown', async () => {
    const [hungry, other] = [await connect(), await connect()];
    expect(await locksOf(2).isAnyoneHungry(other, signal)).toBe(false);
    await locksOf(1).showHunger(hungry, signal);
    expect(await locksOf(2).isAnyoneHungry(other, signal)).toBe(true);
    await locksOf(1).hideHunger(hungry, signal);
    expect(await locksOf(2).isAnyoneHungry(other, signal)).toBe(false);
  });

  it('is counted with the members and their sessions', async () => {
    const [one, two, three] = [await connect(), await connect(), await connect()];
    await locksOf(1).enter(one, signal);
    await locksOf(1).enter(two, signal);
    await locksOf(2 ** 31 - 1).enter(three, signal);
    await locksOf(7).showHunger(three, signal);
    const census = await locksOf(1).census(one, signal);
    expect([...census].sort((a, b) => a.member - b.member)).toEqual([
      { member: 1, held: 2, isHungry: false },
      { member: 7, held: 0, isHungry: true },
      { member: 2 ** 31 - 1, held: 1, isHungry: false },
    ]);
  });
});

describe('survey', () => {
  it('gives the limits of the server, of the role and of the database', async () => {
    await postgres.admin('alter role app connection limit 33');
    await postgres.admin('alter database app connection limit 44');
    const client = await connect();
    await postgres.admin('alter role app connection limit -1');
    const found = await locksOf(1).survey(client, signal);
    expect(found).toMatchObject({ maxConnections: 100, reserved: 3, ofRole: Number.POSITIVE_INFINITY, ofDatabase: 44 });
    await postgres.admin('alter database app connection limit -1');
    expect(await holders()).toEqual({});
  });

  it('refuses locks that lock nothing', async () => {
    // Stubs, as in a database that has the functions for compatibility only: nothing shows in its list of locks.
    const client = await connect();
    const roundTrips: string[] = [];
    const stub = Object.create(client, {
      query: {
        value: (text: string, done: (error: unknown, result: object) => void) => {
          roundTrips.push(text);
          const row = text.includes('max_connections')
            ? { pid: String((client as unknown as { processID: number }).processID) }
            : { count: '0' };
          done(undefined, { rows: [row] });
        },
      },
      _queryQueue: { value: undefined },
    });
    expect(await locksOf(1).survey(stub, signal)).toEqual({
      obstacle: 'the advisory locks of this server lock nothing',
    });
    expect(roundTrips).toHaveLength(4);
  });
});

describe('the leash', () => {
  const settings = async (client: pg.Client) => {
    const names = ['tcp_keepalives_idle', 'client_connection_check_interval', 'idle_session_timeout'];
    const { rows } = await client.query(
      `select ${names.map((name) => `current_setting('${name}') as "${name}"`).join(', ')}`,
    );
    return rows[0];
  };

  it('is set where the server has no limits of its own', async () => {
    const client = await connect();
    const locks = locksOf(1);
    await locks.survey(client, signal);
    await locks.enter(client, signal);
    expect(await settings(client)).toEqual({
      tcp_keepalives_idle: '60',
      client_connection_check_interval: '10s',
      idle_session_timeout: '6min',
    });
  });

  it('leaves what the server has set', async () => {
    await postgres.admin("alter role app set idle_session_timeout = '1h'");
    const client = await connect();
    await postgres.admin('alter role app reset idle_session_timeout');
    const locks = locksOf(1);
    await locks.survey(client, signal);
    await locks.enter(client, signal);
    expect(await settings(client)).toMatchObject({
      idle_session_timeout: '1h',
      client_connection_check_interval: '10s',
    });
  });

  it.each([
    [
      'is off with budgetLeash: false',
      { budgetLeash: false },
      { idle_session_timeout: '0', client_connection_check_interval: '0' },
    ],
    [
      'ends no idle session where none is pinged',
      { keepaliveMs: 'none' },
      { idle_session_timeout: '0', client_connection_check_interval: '10s' },
    ],
  ] as const)('%s', async (_, policy, expected) => {
    const client = await connect();
    const locks = locksOf(1, policy);
    await locks.survey(client, signal);
    await locks.enter(client, signal);
    expect(await settings(client)).toMatchObject(expected);
  });
});
