import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Pool } from '@tenure/core/pg';
import pg from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import Cursor from 'pg-cursor';
import QueryStream from 'pg-query-stream';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';
import { failure } from '../session/support.js';
import { CLASSES, pidOf, sleep, usePools } from './support.js';

const postgres = await usePostgres();
const make = usePools(postgres);
beforeEach(() => postgres.admin('drop table if exists rows; create table rows (what text); grant all on rows to app'));
const rows = async () => (await postgres.admin('select what from rows order by what')).map(({ what }) => what);
const insert = (what: string) => `insert into rows values ('${what}')`;
/** Runs on by itself once the pool has nothing more to do. */
const settled = (pool: pg.Pool & { stats?(): { busy: number } }) => expect.poll(() => pool.stats?.().busy ?? 0).toBe(0);

describe.each(CLASSES)('what was sent on a client of %s is finished, although nobody awaits it', (_, Base) => {
  it('a transaction with a slow statement, then release', async () => {
    const pool = make(Base, { max: 1 });
    const client = await pool.connect();
    for (const text of ['begin', `select pg_sleep(1.5)`, insert('kept'), 'commit']) void client.query(text);
    client.release();
    await pool.query('select 1');
    expect(await rows()).toEqual(['kept']);
  });

  it('a transaction with a slow statement, while others wait', async () => {
    const pool = make(Base, { max: 2 });
    const client = await pool.connect();
    for (const text of ['begin', 'select pg_sleep(0.4)', insert('kept'), 'commit']) void client.query(text);
    client.release();
    await Promise.all(Array.from({ length: 10 }, (_, n) => pool.query(insert(`other ${n}`))));
    await expect.poll(rows).toHaveLength(11);
  });

  it('a query stream that someone reads', async () => {
    const pool = make(Base, { max: 1 });
    const client = await pool.connect();
    const stream = client.query(
      new QueryStream('select n, pg_sleep(0.004) from generate_series(1, 200) n', [], { batchSize: 5 }),
    );
    client.release();
    let count = 0;
    for await (const _row of stream) {
      if (count++ === 20) await sleep(500);
    }
    expect(count).toBe(200);
  });

  it('a COPY that someone feeds', async () => {
    const pool = make(Base, { max: 1 });
    const client = await pool.connect();
    const copy = client.query(copyFrom('copy rows from stdin'));
    client.release();
    await pipeline(
      Readable.from(
        (async function* () {
          yield 'one\n';
          await sleep(600);
          yield 'two\n';
        })(),
      ),
      copy,
    );
    expect(await rows()).toEqual(['one', 'two']);
  });

  it('what is sent right after the release, and what a listener sends at release and acquire', async () => {
    const pool = make(Base, { max: 1 });
    pool.on('release', (_error, client) => void (client as unknown as pg.Client).query(insert('at release')));
    pool.on('acquire', (client) => void client.query(insert('at acquire')));
    const client = await pool.connect();
    client.release();
    await client.query(insert('after release'));
    await sleep(50);
    await client.query(insert('later'));
    await pool.query('select 1');
    await expect.poll(rows).toHaveLength(6);
  });

  it('notifications go on after the release', async () => {
    const pool = make(Base, { max: 1 });
    const client = await pool.connect();
    const news = new Promise((resolve) => client.on('notification', ({ payload }) => resolve(payload)));
    await client.query('listen news');
    client.release();
    await pool.query(`notify news, 'heard'`);
    expect(await news).toBe('heard');
    await client.query('unlisten news');
  });
});

describe('what cannot end by itself is ended', () => {
  it.each<[string, (client: pg.PoolClient) => unknown]>([
    ['a cursor', (client) => client.query(new Cursor('select generate_series(1, 100000)')).read(1)],
    [
      'a stream that nobody reads',
      (client) => void client.query(new QueryStream('select generate_series(1, 100000)')).read(),
    ],
    ['a COPY that gets no data', (client) => client.query(copyFrom('copy rows from stdin'))],
    [
      'a COPY that nobody reads',
      (client) => client.query(copyTo('copy (select generate_series(1, 5000000)) to stdout')),
    ],
    [
      'a query that only its caller gave up on',
      (client) => failure(client.query({ text: 'select pg_sleep(60)', query_timeout: 20 } as never)),
    ],
    [
      'several, one after the other',
      (client) => {
        client.query(new Cursor('select generate_series(1, 100000)'));
        client.query(copyFrom('copy rows from stdin'));
      },
    ],
  ])('%s, without an error that nobody catches', async (_, leave) => {
    const pool = make(Pool, { max: 1, policy: { healthTimeoutMs: 10_000 } });
    const uncaught = vi.fn();
    process.on('uncaughtException', uncaught);
    const client = await pool.connect();
    const pid = await pidOf(client);
    await leave(client);
    client.release();
    expect(await pidOf(pool)).toBe(pid);
    await sleep(50);
    process.off('uncaughtException', uncaught);
    expect(uncaught).not.toHaveBeenCalled();
    expect(await rows()).toEqual([]);
  });

  it.each<[string, (client: pg.PoolClient) => unknown]>([
    ['a bare query', (client) => client.query(new pg.Query('select pg_sleep(60)') as never)],
    [
      'a bare query that fails',
      (client) => client.query(new pg.Query('select 1 / (n - n) from generate_series(1, 1) n, pg_sleep(0.2)') as never),
    ],
    ['a COPY', (client) => client.query(copyFrom('copy rows from stdin'))],
    ['a stream', (client) => client.query(new QueryStream('select generate_series(1, 100000)'))],
  ])('%s that was left, by the end of the pool or of the session', async (_, leave) => {
    const uncaught = vi.fn();
    process.on('uncaughtException', uncaught);
    for (const end of ['drain', 'kill', 'discard'] as const) {
      const pool = make(Pool, { max: 1, application_name: 'left' });
      pool.on('error', () => {});
      const client = await pool.connect();
      leave(client);
      await sleep(20);
      client.release(end === 'discard');
      await sleep(20);
      if (end === 'kill') await postgres.terminateBackends({ applicationName: 'left' });
      await pool.drain(0);
    }
    await sleep(50);
    process.off('uncaughtException', uncaught);
    expect(uncaught).not.toHaveBeenCalled();
  });
});

describe('a client after its release', () => {
  it('sends nothing for a transaction that is over: what a failed Promise.all still sends is refused', async () => {
    const pool = make(Pool, { max: 2 });
    for (let n = 0; n < 60; n++) {
      const client = await pool.connect();
      let release = () => {};
      const released = new Promise<void>((resolve) => {
        release = resolve;
      });
      const stray = released.then(() => sleep(n % 4)).then(() => failure(client.query(insert('stray'))));
      try {
        await client.query('begin');
        await Promise.all([client.query(insert('in time')), client.query('select 1/0'), stray]);
      } catch {
        await client.query('rollback');
      } finally {
        client.release();
        release();
      }
      await Promise.all([pool.query('select 1'), pool.query('select 1')]);
      expect(await stray).toMatchObject({ code: 'TENURE_USAGE' });
    }
    expect(await rows()).toEqual([]);
  });

  it.each<[string, (client: pg.PoolClient) => Promise<unknown>]>([
    ['a promise', (client) => failure(client.query('select 1'))],
    ['a callback', (client) => new Promise((resolve) => client.query('select 1', resolve))],
    ['a callback after values', (client) => new Promise((resolve) => client.query('select $1::int', [1], resolve))],
    [
      'a query object',
      (client) => new Promise((resolve) => client.query(new pg.Query('select 1', resolve as never) as never)),
    ],
    ['a cursor', (client) => failure(client.query(new Cursor('select 1')).read(1))],
  ])('refuses by %s, and never before `query` has returned', async (_, ask) => {
    const pool = make(Pool, { max: 1 });
    const client = await pool.connect();
    await client.query('begin');
    await client.query('commit');
    client.release();
    expect(await ask(client)).toMatchObject({ code: 'TENURE_USAGE' });
  });

  it('that was rolled back for its borrower runs nothing of that transaction', async () => {
    const pool = make(Pool, { max: 1 });
    const client = await pool.connect();
    await client.query('begin');
    await client.query(insert('one'));
    client.release();
    await pool.query('select 1');
    expect(await failure(client.query(insert('two')))).toMatchObject({ code: 'TENURE_USAGE' });
    expect(await rows()).toEqual([]);
  });

  it('a late BEGIN loses nothing of others', async () => {
    const pool = make(Pool, { max: 1 });
    const late = await pool.connect();
    late.release();
    void late.query('begin');
    for (let n = 0; n < 20; n++) await pool.query(insert(`acknowledged ${n}`));
    await late.query('rollback').catch(() => {});
    expect(await rows()).toHaveLength(20);
    expect(pool.stats()).toMatchObject({ rolledBack: 1, opened: 1 });
  });

  it('an idle client in the middle of something is handed to nobody, and not checked to death', async () => {
    const pool = make(Pool, { max: 2, policy: { healthBypassMs: 0 } });
    const late = await pool.connect();
    const pid = await pidOf(late);
    late.release();
    const slow = late.query(`select pg_sleep(0.5), 'done' as what`);
    expect(await pidOf(pool)).not.toBe(pid);
    expect((await slow).rows).toMatchObject([{ what: 'done' }]);
    expect(pool.stats().closed).toMatchObject({ broken: 0, 'failed-check': 0 });
  });

  it('can be used by the next borrower as ever', async () => {
    const pool = make(Pool, { max: 1 });
    for (let n = 0; n < 3; n++) {
      const client = await pool.connect();
      await client.query('begin');
      await client.query(insert(`${n}`));
      await client.query('commit');
      client.release();
      await pool.query('select 1');
    }
    expect(await rows()).toHaveLength(3);
    await settled(pool);
  });
});

describe('a transaction that pool.query begins', () => {
  it('is rolled back with one warning, which names pool.connect(), and an event each time', async () => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const pool = make(Pool, { max: 1 });
    const rolledBack = vi.fn();
    pool.on('rollback', rolledBack);
    for (let n = 0; n < 2; n++) {
      await pool.query('begin');
      await pool.query(insert(`${n}`));
      await pool.query('rollback');
    }
    expect(rolledBack.mock.calls).toEqual([[expect.any(pg.Client)], [expect.any(pg.Client)]]);
    const warnings = warned.mock.calls.filter(
      ([, options]) => (options as { code?: string }).code === 'TENURE_ROLLED_BACK',
    );
    expect(warnings).toMatchObject([[expect.stringContaining('pool.connect()'), {}]]);
    expect(pool.stats().rolledBack).toBe(2);
  });
});
