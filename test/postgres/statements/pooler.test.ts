import { type AddressInfo, connect, createServer } from 'node:net';
import { createPool, type PolicyOverrides, TenureUsageError } from '@tenure/core';
import { Pool, pgConnector } from '@tenure/core/pg';
import pg from 'pg';
import { afterAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { nameOf } from '../../../packages/core/src/postgres/statements/cache.js';
import { hasPgBouncer, startPgBouncer } from '../../support/pgbouncer.js';
import { usePostgres } from '../../support/usePostgres.js';
import { own, prepared } from './support.js';

const postgres = await usePostgres();

/** Counts how often a client of any pool asks for its process. */
function countAsked(): () => number {
  // Spied on the connection: the pool's own queries do not use the client's method `query`, which tools replace.
  const query = vi.spyOn(pg.Connection.prototype as unknown as { query(text: string): void }, 'query');
  return () => query.mock.calls.filter(([text]) => text === 'select pg_backend_pid() as pid').length;
}

function openPool(url: string, policy: PolicyOverrides = {}): Pool {
  const pool = new Pool({ connectionString: url, max: 4, policy });
  onTestFinished(() => pool.drain(0));
  return pool;
}

/** Many at once, so that a pooler hands them to different sessions. */
async function load(pool: Pool): Promise<void> {
  const text = own('select $1::int as n, pg_sleep(0.001)');
  for (let round = 0; round < 10; round++) {
    const results = await Promise.all([1, 2, 3, 4].map((n) => pool.query(text, [n])));
    expect(results.map(({ rows }) => rows[0].n)).toEqual([1, 2, 3, 4]);
  }
}

describe('In front of the server itself', () => {
  it('the pool asks once whether a pooler is there, however many connections it opens', async () => {
    const asked = countAsked();
    const pool = openPool(postgres.url);
    await load(pool);
    await expect.poll(() => pool.stats()).toMatchObject({ opened: 4, statements: { state: 'on' } });
    expect(pool.stats().statements!.hits).toBeGreaterThan(20);
    pool.invalidate();
    await load(pool);
    expect(asked()).toBe(1);
  });

  it('the pool does not ask when the policy has the answer, and prepares from the first connection on', async () => {
    const asked = countAsked();
    const pool = openPool(postgres.url, { pooler: 'none' });
    await load(pool);
    expect(asked()).toBe(0);
    expect(pool.stats()).toMatchObject({ pooler: 'none', statements: { state: 'on' } });
    expect(pool.stats().statements!.hits).toBeGreaterThan(20);
  });

  it('the pool asks also when nothing is to be prepared: its checks depend on the answer', async () => {
    const asked = countAsked();
    const pool = openPool(postgres.url, { statements: 0 });
    await load(pool);
    expect(asked()).toBe(1);
    expect(pool.stats()).toMatchObject({ pooler: 'none', statements: { state: 'off' } });
  });
});

describe.skipIf(!hasPgBouncer())('Behind PgBouncer in transaction mode', async () => {
  const bouncer = await startPgBouncer({
    upstream: postgres,
    poolMode: 'transaction',
    settings: { default_pool_size: 2 },
  });
  afterAll(() => bouncer.stop());

  it('nothing is prepared, and every query is right', async () => {
    const pool = openPool(bouncer.url);
    await load(pool);
    expect(await prepared(pool)).toEqual([]);
    expect(pool.stats().statements).toEqual({
      state: 'behind-pooler',
      hits: 0,
      prepared: 0,
      evicted: 0,
      invalidated: 0,
    });
  });

  it('CONN_STATEMENTS=0 shows as off', async () => {
    const pool = openPool(bouncer.url, { statements: 0 });
    await load(pool);
    expect(pool.stats().statements).toMatchObject({ state: 'off' });
  });

  it('statements are prepared when they are asked for', async () => {
    const pool = openPool(bouncer.url, { statements: 10, prepareThreshold: 1, maxConnections: 1 });
    const text = own('select $1::int as n');
    for (let n = 0; n < 3; n++) expect((await pool.query(text, [n])).rows).toEqual([{ n }]);
    expect(pool.stats().statements).toMatchObject({ state: 'on', prepared: 1, hits: 2 });
  });

  it('columns are those of the session that runs the statement, which nobody has told us of', async () => {
    const single = await startPgBouncer({
      upstream: postgres,
      poolMode: 'transaction',
      settings: { default_pool_size: 1 },
    });
    onTestFinished(() => single.stop());
    await postgres.admin(`create table renamed as select 1 as a, 'x'::text as b; alter table renamed owner to app`);
    const pool = openPool(single.url, { statements: 10, prepareThreshold: 1, maxConnections: 1 });
    const text = own('select * from renamed where $1::int = 1');
    for (let n = 0; n < 3; n++) expect((await pool.query(text, [1])).rows).toEqual([{ a: 1, b: 'x' }]);
    await postgres.admin('alter table renamed rename column b to c');
    // The session is shared by all, so another process is refused, and prepares its statement anew.
    const other = new pg.Client(single.url);
    await other.connect();
    await other.query('deallocate all');
    await other.query({ name: nameOf(text), text, values: [1] });
    await other.end();
    expect((await pool.query(text, [1])).rows).toEqual([{ a: 1, c: 'x' }]);
  });
});

describe.skipIf(!hasPgBouncer())('When an address leads to PgBouncer from some moment on', () => {
  it('no query fails, and nothing is prepared any more', async () => {
    const bouncer = await startPgBouncer({
      upstream: postgres,
      poolMode: 'transaction',
      settings: { default_pool_size: 2 },
    });
    onTestFinished(() => bouncer.stop());
    let target = postgres.port;
    const address = createServer((socket) => {
      const upstream = connect(target, '127.0.0.1');
      for (const [one, other] of [
        [socket, upstream],
        [upstream, socket],
      ] as const) {
        one.on('error', () => other.destroy()).on('close', () => other.destroy());
        one.pipe(other);
      }
    });
    await new Promise<void>((resolve) => address.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void address.close());
    const url = new URL(postgres.url);
    url.port = String((address.address() as AddressInfo).port);
    const pool = openPool(url.href);
    await load(pool);
    expect(pool.stats().statements!.hits).toBeGreaterThan(5);
    target = bouncer.port;
    pool.invalidate();
    for (let round = 0; round < 5; round++) await load(pool);
    const { hits } = pool.stats().statements!;
    await load(pool);
    expect(pool.stats().statements).toMatchObject({ state: 'behind-pooler', hits });
  });

  it('one that hides it is found out by its errors, and the query is run again', async () => {
    const bouncer = await startPgBouncer({
      upstream: postgres,
      poolMode: 'transaction',
      settings: { default_pool_size: 2 },
    });
    onTestFinished(() => bouncer.stop());
    const pool = openPool(bouncer.url);
    // Whoever asks gets the process ID that it was greeted with.
    pool.on('connect', (client) => {
      const hidden = client as unknown as { processID: number; connection: NodeJS.EventEmitter };
      const { emit } = hidden.connection;
      hidden.connection.emit = (event: string, message: { fields?: unknown[] }) => {
        const isAnswer =
          event === 'dataRow' && (message.fields?.length ?? 9) <= 2 && /^\d+$/.test(String(message.fields![0]));
        if (isAnswer && hides) message.fields![0] = String(hidden.processID);
        return emit.call(hidden.connection, event, message);
      };
    });
    let hides = true;
    await Promise.all([1, 2, 3, 4].map(() => pool.query('select pg_sleep(0.05)')));
    await pool.query('select 1');
    const text = own('select $1::text as n, pg_sleep(0.002)');
    const failed: unknown[] = [];
    for (let round = 0; round < 20; round++) {
      const results = await Promise.allSettled(['a', 'b', 'c', 'd'].map((n) => pool.query(text, [n])));
      failed.push(...results.filter(({ status }) => status === 'rejected'));
    }
    hides = false;
    expect(failed).toEqual([]);
    expect(pool.stats().statements).toMatchObject({ state: 'behind-pooler' });
  });
});

describe('What answers like a server but knows no process ID', () => {
  it.skipIf(!hasPgBouncer())('is no plain server, and can be used', async () => {
    const bouncer = await startPgBouncer({ upstream: postgres, poolMode: 'session', settings: { admin_users: 'app' } });
    onTestFinished(() => bouncer.stop());
    const console = openPool(bouncer.url.replace(/\/app$/, '/pgbouncer'));
    expect((await console.query('show version')).rows).toHaveLength(1);
    expect(console.stats().statements).toMatchObject({ state: 'behind-pooler' });
  });
});

describe('A pool over pgConnector', () => {
  it('prepares by the policy of the pool', async () => {
    await using pool = createPool(pgConnector(postgres.url), { prepareThreshold: 1, maxConnections: 1 });
    const text = own('select $1::int as n');
    for (let n = 0; n < 3; n++) {
      await pool.use(async (client) => expect((await client.query(text, [n])).rows).toEqual([{ n }]));
    }
    expect(await pool.use(prepared)).toEqual([text]);
    expect(pool.stats().statements).toMatchObject({ state: 'on', hits: 2 });
  });

  it('prepares nothing when the policy says so', async () => {
    await using pool = createPool(pgConnector(postgres.url), { statements: 0, maxConnections: 1 });
    for (let n = 0; n < 6; n++) await pool.use((client) => client.query('select $1::int', [n]));
    expect(await pool.use(prepared)).toEqual([]);
    expect(pool.stats().statements).toMatchObject({ state: 'off' });
  });

  it('has a connector of its own: one for two pools is refused', async () => {
    const connector = pgConnector(postgres.url);
    await using _ = createPool(connector, { statements: 0 });
    expect(() => createPool(connector)).toThrow(TenureUsageError);
  });
});
