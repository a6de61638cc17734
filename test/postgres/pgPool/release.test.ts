import { Pool } from '@tenure/core/pg';
import pg from 'pg';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';
import { failure } from '../session/support.js';
import { pidOf, record, usePools } from './support.js';

const postgres = await usePostgres();
const make = usePools(postgres);
beforeAll(() =>
  postgres.admin(
    `create role tenant; grant tenant to app; create table jobs (id int primary key); grant all on jobs to app`,
  ),
);

const LEFT = [
  'set role tenant',
  `set work_mem = '7MB'`,
  'select pg_advisory_lock(42)',
  'create temp table mine (n int)',
  'listen news',
  'prepare said as select 1',
  'declare rows cursor with hold for select 1',
];

/** The state that is left on a session. */
async function leftOn(client: Pick<pg.ClientBase, 'query'>): Promise<unknown> {
  const { rows } = await client.query(`select
    current_user::text as role, current_setting('work_mem') as mem, current_setting('app.tenant', true) as tenant,
    (select count(*)::int from pg_locks where pid = pg_backend_pid() and locktype = 'advisory') as locks,
    to_regclass('pg_temp.mine')::text as temp, (select count(*)::int from pg_listening_channels()) as channels,
    (select count(*)::int from pg_prepared_statements where name = 'said') as statements,
    (select count(*)::int from pg_cursors) - 1 as cursors`);
  return rows[0];
}
const NOTHING = { role: 'app', mem: '4MB', tenant: null, locks: 0, temp: null, channels: 0, statements: 0 };

describe('release(error)', () => {
  it.each([
    ['a statement of its own that failed', (client: pg.PoolClient) => failure(client.query('select 1/0')), true],
    ['an error of the app', async () => new Error('of the app'), false],
    [
      'an error of the app that wraps one',
      async (client: pg.PoolClient) => new Error('x', { cause: await failure(client.query('select 1/0')) }),
      false,
    ],
    ['the error of another client', async () => failure(make(Pool).query('select 1/0')), false],
    [
      'a value that could not be sent',
      (client: pg.PoolClient) => failure(client.query('select $1::json', [{ n: 1n }])),
      false,
    ],
    ['true', async () => true, false],
  ])('with %s leaves nothing to the next borrower', async (_, fail, isKept) => {
    const pool = make(Pool, { max: 1 });
    const client = await pool.connect();
    const pid = await pidOf(client);
    for (const statement of LEFT) await client.query(statement);
    await client.query({ name: 'named', text: 'select 1' });
    client.on('notification', () => {});
    client.setTypeParser(23, () => 'parsed');
    Object.assign(client, { mark: 'mine' });
    client.release((await fail(client)) as Error);
    const next = await pool.connect();
    expect(await leftOn(next)).toMatchObject(NOTHING);
    expect((await pidOf(next)) === pid).toBe(isKept);
    expect(pool.stats().opened).toBe(isKept ? 1 : 2);
    // The app has not set this client up, and does it again.
    expect(next).not.toBe(client);
    expect(next).not.toHaveProperty('mark');
    expect(next.listenerCount('notification')).toBe(0);
    expect((await next.query('select 1 as n')).rows).toEqual([{ n: 1 }]);
    await next.query({ name: 'named', text: 'select 2' });
    next.release();
  });

  it.each([
    `set app.tenant = 'left'`,
    `SET SESSION "app".tenant TO 'left'`,
    `begin; set local app.tenant = 'left'; commit`,
    `select set_config('app.tenant', 'left', false)`,
    `select "set_config" ('app.tenant', 'left', false)`,
    `do $$ begin perform set_config('app.tenant', 'left', false); end $$`,
  ])('leaves no trace of a setting of the app’s own, which no reset removes: %s', async (sets) => {
    for (const Class of [pg.Pool, Pool]) {
      const pool = make(Class, { max: 1 });
      const first = await pool.connect();
      await first.query(sets);
      // A normal release leaves it, on both.
      first.release();
      const client = await pool.connect();
      await client.query('select 1');
      client.release(await failure(client.query('select 1/0')));
      expect(await leftOn(pool)).toMatchObject(NOTHING);
    }
  });

  it("runs the app's set-up again, and tells of the client as pg.Pool does", async () => {
    const told = async (pool: pg.Pool) => {
      const events = record(pool);
      pool.on('connect', (client) => void client.query(`set app.tenant = 'set up'`));
      const client = await pool.connect();
      await client.query('set role tenant');
      client.release(await failure(client.query('select 1/0')));
      const { rows } = await pool.query(`select current_user::text as role, current_setting('app.tenant') as tenant`);
      return { rows, events: events.filter(([event]) => event !== 'error') };
    };
    const onConnect = vi.fn();
    const stock = await told(make(pg.Pool, { max: 1, onConnect }));
    expect(stock.rows).toEqual([{ role: 'app', tenant: 'set up' }]);
    const ours = await told(make(Pool, { max: 1, onConnect }));
    expect(ours.rows).toEqual(stock.rows);
    expect(ours.events.map(([event]) => event)).toEqual(stock.events.map(([event]) => event));
    expect(onConnect).toHaveBeenCalledTimes(4);
  });

  it('again and again keeps the session, and puts no more listeners on its socket', async () => {
    const pool = make(Pool, { max: 1 });
    const warned = vi.spyOn(process, 'emitWarning');
    const pids = new Set<number>();
    const counts = new Set<number>();
    for (let round = 0; round < 30; round++) {
      const client = await pool.connect();
      pids.add(await pidOf(client));
      const { stream } = (client as unknown as { connection: { stream: NodeJS.EventEmitter } }).connection;
      if (round > 0) counts.add(stream.eventNames().reduce((sum, name) => sum + stream.listenerCount(name), 0));
      client.release(await failure(client.query('select 1/0')));
    }
    expect(pids.size).toBe(1);
    expect(counts.size).toBe(1);
    expect(warned).not.toHaveBeenCalled();
    expect(pool.stats()).toMatchObject({ opened: 1, used: 0 });
  });

  it('the client that was released answers as one that was closed, and takes its end', async () => {
    const afterwards = async (pool: pg.Pool) => {
      const client = await pool.connect();
      const ended = new Promise((resolve) => client.once('end', resolve as () => void));
      await client.query('select 1');
      client.release(await failure(client.query('select 1/0')));
      await ended;
      const late = await failure(client.query('select 1'));
      await client.query('select 1').catch(() => {});
      return late.message;
    };
    const stock = await afterwards(make(pg.Pool, { max: 1 }));
    const pool = make(Pool, { max: 1 });
    expect(await afterwards(pool)).toBe(stock);
    expect(await pidOf(pool)).toBeGreaterThan(0);
  });

  it('finds the end of its session afterwards, as any other connection', async () => {
    const pool = make(Pool, { max: 1, application_name: 'renewed' });
    const client = await pool.connect();
    await client.query('select 1');
    client.release(await failure(client.query('select 1/0')));
    const pid = await pidOf(pool);
    const error = new Promise<Error>((resolve) => pool.once('error', resolve));
    await postgres.terminateBackends({ applicationName: 'renewed' });
    expect(await error).toMatchObject({ code: '57P01' });
    expect(await pidOf(pool)).not.toBe(pid);
    expect(pool.stats().closed.broken).toBe(1);
  });

  it('closes the connection when a Client class of the app takes none that is open', async () => {
    class Own extends pg.Client {
      constructor(config: pg.ClientConfig & { connection?: unknown }) {
        super({ ...config, connection: undefined } as pg.ClientConfig);
      }
    }
    const pool = make(Pool, { max: 1, Client: Own } as object);
    const client = await pool.connect();
    const pid = await pidOf(client);
    client.release(await failure(client.query('select 1/0')));
    expect(await pidOf(pool)).not.toBe(pid);
    expect(pool.totalCount).toBe(1);
  });
});

describe('an error of pool.query', () => {
  it.each([
    ['an advisory lock', 'select pg_advisory_lock(1), 1/0'],
    ['a lock that a function took', 'select locked()'],
    ['a statement that a function prepared', 'select prepared()'],
  ])('leaves nothing behind: %s', async (_, text) => {
    await postgres.admin(`
      create or replace function locked() returns int language plpgsql as $$ begin perform pg_advisory_lock(1); return 1/0; end $$;
      create or replace function prepared() returns int language plpgsql as $$ begin execute 'prepare said as select 1'; return 1/0; end $$`);
    const pool = make(Pool, { max: 1 });
    const pid = await pidOf(pool);
    await failure(pool.query(text));
    expect(await leftOn(pool)).toMatchObject(NOTHING);
    expect(await pidOf(pool)).toBe(pid);
    expect(pool.stats().opened).toBe(1);
  });

  it.each([
    ['that a block committed', `do $$ begin perform set_config('app.tenant', 'x', false); commit; raise 'no'; end $$`],
    ['before a commit', `set app.tenant = 'x'; commit; select 1/0`],
  ])(
    'closes the connection where it may leave a setting of the app’s own, which no reset removes: %s',
    async (_, text) => {
      for (const Class of [pg.Pool, Pool]) {
        const pool = make(Class, { max: 1 });
        const pid = await pidOf(pool);
        await failure(pool.query(text));
        expect(await leftOn(pool)).toMatchObject(NOTHING);
        expect(await pidOf(pool)).not.toBe(pid);
      }
    },
  );

  it.each(['insert into jobs values ($1)', 'select * from nothing', 'select 1/0'])(
    'costs no question where it can leave nothing: %s',
    async (text) => {
      const pool = make(Pool, { max: 1 });
      await pool.query('insert into jobs values (1) on conflict do nothing');
      const client = await pool.connect();
      const { stream } = (client as unknown as { connection: { stream: { write: unknown } } }).connection;
      client.release();
      const write = vi.spyOn(stream as { write(): void }, 'write');
      await failure(pool.query(text, text.includes('$1') ? [1] : undefined));
      const writes = write.mock.calls.length;
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(write.mock.calls.length).toBe(writes);
    },
  );
});
