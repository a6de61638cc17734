import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { type AddressInfo, connect, createServer } from 'node:net';
import type { Pool } from '@tenure/core/pg';
import pg from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import { hasPgBouncer, startPgBouncer } from '../../support/pgbouncer.js';
import { usePostgres } from '../../support/usePostgres.js';
import { sleep } from '../pgPool/support.js';
import { makeShort, openSharing, useSlowMachine } from './support.js';

const postgres = await usePostgres();
useSlowMachine();

const A = 'select $1::text as tag, v from shared_a where id = $2';
const B = 'select $1::text as tag, v from shared_b where id = $2';
await postgres.admin(`set role app;
  create table shared_a as select n as id, n as v from generate_series(1, 100) n;
  create table shared_b as select n as id, n as v from generate_series(1, 100) n`);

/** A pool whose reads of both tables are short. */
async function openShort(options: pg.PoolConfig = {}): Promise<Pool> {
  const pool = openSharing(postgres, options);
  for (const text of [A, B]) await makeShort(pool, text, ['first', 1]);
  return pool;
}

const tagOf = async (answer: Promise<pg.QueryResult<{ tag: string }>>) => (await answer).rows[0]?.tag;
const isOver = (promise: Promise<unknown>) => Promise.race([promise.then(() => true), sleep(200).then(() => false)]);

/** Once a second a check of the schema goes before a read, which then has the connection alone. */
async function refresh(pool: Pool): Promise<void> {
  for (let n = 0; n < 3; n++) await pool.query(B, ['again', 1]);
}

/** Takes so many connections of a pool. */
async function hold(pool: Pool, clients: number): Promise<pg.PoolClient[]> {
  return Promise.all(Array.from({ length: clients }, () => pool.connect()));
}

/** A transaction that has locked the table that A reads. */
async function lockA(pool: Pool): Promise<{ commit(): Promise<void> }> {
  const client = await pool.connect();
  await client.query('begin');
  await client.query('lock table shared_a in access exclusive mode');
  const commit = async () => {
    await client.query('commit');
    client.release();
  };
  return { commit };
}

describe('A connection', () => {
  it('is shared only when all are in use, by four at most, and each gets its answer', async () => {
    const pool = await openShort();
    expect(await tagOf(pool.query(A, ['alone', 1]))).toBe('alone');
    expect(pool.stats().pipelined!.queries).toBe(0);
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, n) => tagOf(pool.query(n % 2 ? A : B, [`tag ${n}`, 1]))),
    );
    expect(answers).toEqual(Array.from({ length: 30 }, (_, n) => `tag ${n}`));
    expect(pool.stats().pipelined).toMatchObject({ state: 'on', deepest: 4 });
    expect(pool.stats()).toMatchObject({ used: 0, waiting: 0 });
  });

  it('is not shared by queries that may do more than read, are new, or have a time limit of their own', async () => {
    const pool = await openShort({ max: 1 });
    const before = pool.stats().pipelined!.queries;
    const write = 'insert into shared_a values ($1, 0) returning id';
    await makeShort(pool, write, [1_000]);
    await Promise.all([
      ...[1, 2, 3].map((n) => pool.query(write, [1_000 + n])),
      ...[1, 2, 3].map((n) => pool.query('select $1::text as new', [`${n}`])),
      ...[1, 2, 3].map((n) => pool.query({ text: A, values: ['a', n], query_timeout: 60_000 } as pg.QueryConfig)),
      ...[1, 2, 3].map((n) => pool.query({ text: A, values: ['a', n], name: 'mine' })),
      ...[1, 2, 3].map(() => pool.query('select 1')),
    ]);
    expect(pool.stats().pipelined!.queries).toBe(before);
  });

  it('is reserved for a caller that needs one alone, and is handed over idle', async () => {
    const pool = await openShort({ max: 1 });
    const reads = Array.from({ length: 12 }, (_, n) => pool.query(A, [`${n}`, 1]).then(() => n));
    const client = pool.connect();
    const later = Array.from({ length: 12 }, (_, n) => pool.query(A, [`${n}`, 1]).then(() => n));
    const checkedOut = (await client) as pg.PoolClient & { pipeline: boolean; readyForQuery: boolean };
    expect(checkedOut).toMatchObject({ pipeline: false, readyForQuery: true, _sentQueryQueue: [] });
    expect(await isOver(Promise.all(later))).toBe(false);
    checkedOut.release();
    await Promise.all([...reads, ...later]);
    expect(pool.stats().pipelined!.queries).toBeGreaterThan(0);
  });

  it('is shared from within the callback of the query that had it before', async () => {
    const pool = await openShort({ max: 1 });
    const client = await pool.connect();
    const answers = await new Promise<unknown[]>((resolve) => {
      void client.query('select 1', () => {
        client.release();
        resolve(Array.from({ length: 8 }, (_, n) => tagOf(pool.query(A, [`${n}`, 1]))));
      });
    });
    expect(await Promise.all(answers)).toEqual(['0', '1', '2', '3', '4', '5', '6', '7']);
    expect(pool.stats().pipelined!.state).toBe('on');
  });

  it('sends what the app sends on a client that it does not hold after the reads, alone', async () => {
    const pool = openSharing(postgres, { max: 1 });
    let kept: pg.ClientBase | undefined;
    pool.on('connect', (client) => {
      kept = client;
    });
    await makeShort(pool, A, ['first', 1]);
    const reads = Array.from({ length: 4 }, (_, n) => tagOf(pool.query(A, [`${n}`, 1])));
    await sleep(0);
    const stray = kept!.query('select 42 as n');
    expect((await stray).rows).toEqual([{ n: 42 }]);
    expect(await Promise.all(reads)).toEqual(['0', '1', '2', '3']);
    expect(await tagOf(pool.query(A, ['after', 1]))).toBe('after');
  });
});

describe('Behind a read that waits for a lock', () => {
  /** Sends a read that a lock blocks, and one behind it, on the only connection of the pool that is not held. */
  async function readBehindLock(options?: pg.PoolConfig) {
    const pool = await openShort(options);
    const { commit } = await lockA(pool);
    const [other] = (await hold(pool, 1)) as [pg.PoolClient];
    await refresh(pool);
    // The next one waits for a connection, and may share it.
    const alone = pool.query(B, ['alone', 1]);
    const blocked = pool.query(A, ['blocked', 1]);
    const behind = tagOf(pool.query(B, ['behind', 1]));
    return { pool, commit, other, alone, blocked, behind };
  }

  it('others are answered by another connection, so that what their callers await comes', async () => {
    const { pool, commit, other, alone, blocked, behind } = await readBehindLock();
    await expect.poll(() => pool.stats().pipelined!.queries).toBe(1);
    other.release();
    await alone;
    expect(await behind).toBe('behind');
    expect(await isOver(blocked)).toBe(false);
    await commit();
    expect(await tagOf(blocked)).toBe('blocked');
    await expect.poll(() => pool.stats().used).toBe(0);
  });

  it('a time limit of the client counts for the first only, and ends it as with pg', async () => {
    const { pool, commit, other, alone, blocked, behind } = await readBehindLock({ query_timeout: 400 });
    await alone;
    await expect.poll(() => pool.stats().pipelined!.queries).toBe(1);
    other.release();
    await expect(blocked).rejects.toThrow('Query read timeout');
    expect(await behind).toBe('behind');
    await expect.poll(() => pool.stats().used).toBe(1);
    await commit();
    expect(await tagOf(pool.query(A, ['after', 1]))).toBe('after');
    expect(await postgres.activity({})).not.toContainEqual(expect.objectContaining({ state: 'active' }));
  });
});

describe('When a shared connection is lost', () => {
  it('the first query gets the error, and those behind it get their answers', async () => {
    const pool = await openShort({ max: 1 });
    const locker = openSharing(postgres, { max: 1 });
    const { commit } = await lockA(locker);
    await refresh(pool);
    const alone = pool.query(B, ['alone', 1]);
    const blocked = expect(pool.query(A, ['blocked', 1])).rejects.toMatchObject({ code: '57P01' });
    const behind = [1, 2, 3].map((n) => tagOf(pool.query(B, [`${n}`, 1])));
    await alone;
    await expect.poll(() => pool.stats().pipelined!.queries).toBe(3);
    await postgres.admin('select pg_terminate_backend($1)', [pool.connections()[0]!.processId]);
    await blocked;
    expect(await Promise.all(behind)).toEqual(['1', '2', '3']);
    await commit();
  });
});

describe('A pool in front of which queries ahead of answers get lost', () => {
  it.runIf(hasPgBouncer()).each([
    ['session', 'auto'],
    ['transaction', 'auto'],
    ['session', 'session'],
    ['session', 'none'],
  ] as const)('does not share behind PgBouncer in %s mode, with CONN_POOLER=%s', async (poolMode, pooler) => {
    const bouncer = await startPgBouncer({ upstream: postgres, poolMode });
    onTestFinished(() => bouncer[Symbol.asyncDispose]());
    const pool = openSharing({ url: bouncer.url }, { policy: { pooler } });
    for (let n = 0; n < 30; n++) await Promise.all([1, 2, 3, 4, 5, 6].map((id) => pool.query(A, ['a', id])));
    expect(pool.stats().pipelined).toMatchObject({ state: 'behind-pooler', queries: 0 });
  });

  it('does not share where answers got lost in the proof of their order on a new connection, and works', async () => {
    const pool = openSharing({ url: await startForgetful() }, { policy: { connectTimeoutMs: 2_000 } });
    for (let n = 0; n < 30; n++) await Promise.all([1, 2, 3, 4, 5, 6].map((id) => pool.query(A, ['a', id])));
    expect(pool.stats().pipelined).toMatchObject({ state: 'unproven', queries: 0 });
  });
});

describe('Where a tool wraps the method `query` of the client', () => {
  it('it is called in the asynchronous context of each caller, and nothing is shared', async () => {
    const pool = await openShort();
    const caller = new AsyncLocalStorage<string>();
    const { query } = pg.Client.prototype;
    const seen: unknown[] = [];
    pg.Client.prototype.query = function traced(this: pg.Client, ...args: unknown[]) {
      seen.push([(args[1] as string[])?.[0], caller.getStore()]);
      return (query as (...args: unknown[]) => unknown).apply(this, args);
    } as typeof query;
    onTestFinished(() => {
      pg.Client.prototype.query = query;
    });
    const tags = Array.from({ length: 12 }, (_, n) => `tag ${n}`);
    const answers = tags.map((tag) => caller.run(tag, () => tagOf(pool.query(A, [tag, 1]))));
    expect(await Promise.all(answers)).toEqual(tags);
    expect(seen.sort()).toEqual(tags.map((tag) => [tag, tag]).sort());
    expect(pool.stats().pipelined).toMatchObject({ state: 'off', queries: 0 });
  });
});

it('A listener to `tenure:pipeline:change` gets the state when it is found, and when it changes', async () => {
  const messages: unknown[] = [];
  const listener = (message: unknown) => void messages.push(message);
  subscribe('tenure:pipeline:change', listener);
  onTestFinished(() => void unsubscribe('tenure:pipeline:change', listener));
  const pool = openSharing(postgres, { max: 1, policy: { name: 'observed' } });
  await pool.query('select 1');
  await pool.query('select 1');
  expect(messages).toEqual([
    expect.objectContaining({ poolName: 'observed', pipelined: expect.objectContaining({ state: 'on', queries: 0 }) }),
  ]);
});

/** A proxy that forwards only the first of several queries that come in one packet. */
async function startForgetful(): Promise<string> {
  const sockets: { destroy(): void }[] = [];
  const proxy = createServer((client) => {
    const server = connect(postgres.port, postgres.host);
    sockets.push(client, server);
    client.on('error', () => {});
    server.on('error', () => {});
    server.pipe(client);
    client.on('data', (chunk: Buffer) => server.write(chunk.subarray(0, endOfFirstQuery(chunk))));
    client.on('close', () => server.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    proxy.close();
  });
  return `postgres://app:app@127.0.0.1:${(proxy.address() as AddressInfo).port}/app`;
}

function endOfFirstQuery(chunk: Buffer): number {
  const sync = chunk.indexOf(Buffer.from([0x53, 0, 0, 0, 4]));
  return sync < 0 ? chunk.length : sync + 5;
}
