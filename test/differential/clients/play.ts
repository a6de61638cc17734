import { Readable } from 'node:stream';
import { text as read } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyIn, to as copyOut } from 'pg-copy-streams';
import Cursor from 'pg-cursor';
import QueryStream from 'pg-query-stream';
import type { Script, Step } from './script.js';

type PoolClass = new (config: pg.PoolConfig) => pg.Pool;

/** Sets a tenant on each client that is taken, in both forms of `connect`. */
function forTenants(Base: PoolClass): PoolClass {
  return class extends Base {
    override connect(callback?: unknown): never {
      const setUp = async (client: pg.PoolClient) => {
        await client.query(`set app.tenant = 'mine'`);
        return client;
      };
      if (!callback) return super.connect().then(setUp) as never;
      const called = callback as (error: unknown, client?: pg.PoolClient, release?: unknown) => void;
      super.connect((error, client, release) => {
        if (error || !client) return called(error);
        setUp(client).then(() => called(undefined, client, release), called);
      });
      return undefined as never;
    }
  } as PoolClass;
}

/** Runs a script on a pool; what each step gave, as text. */
export async function play(Pool: PoolClass, url: string, { steps, max, pool: kind }: Script): Promise<string[]> {
  const pool = new (kind === 'subclass' ? forTenants(Pool) : Pool)({ connectionString: url, max });
  pool.on('error', () => {});
  if (kind === 'instance') {
    const { connect } = pool;
    pool.connect = function (this: pg.Pool, ...args: unknown[]) {
      return (connect as (...args: unknown[]) => unknown).apply(this, args);
    } as never;
  }
  const clients = new Map<number, pg.PoolClient & { mark?: number }>();
  const errors = new Map<number, Error>();
  const told: string[] = [];
  const sent: Promise<unknown>[] = [];
  for (const step of steps) {
    const gave = await within(run(step).catch((error) => noted(step, error)));
    told.push(gave);
  }
  // A stock pool that is ended cuts off what runs on a client that came back; ours lets it end.
  await within(Promise.all(sent));
  told.push(await within(pool.end().then(() => 'ended')));
  return told;

  async function run(step: Step): Promise<unknown> {
    if (step.do === 'wait') return sleep(step.forMs);
    if (step.do === 'pool.query') return shown(await pool.query(step.text));
    if (step.do === 'connect') {
      const client = await pool.connect();
      client.on('error', () => {});
      errors.delete(step.on);
      clients.set(step.on, client);
      return 'connected';
    }
    const client = clients.get(step.on)!;
    switch (step.do) {
      case 'release':
        return client.release(
          step.with === 'its error'
            ? errors.get(step.on)
            : step.with === 'an error of the app'
              ? new Error('app')
              : step.with === 'true',
        );
      case 'query':
      case 'late query':
        return shown(await (step.values ? client.query(step.text, [...step.values]) : client.query(step.text)));
      case 'send':
        for (const text of step.texts) sent.push(client.query(text).catch(() => {}));
        return undefined;
      case 'mark':
        client.mark = (client.mark ?? 0) + 1;
        client.setTypeParser(23, (value) => `parsed ${value}`);
        client.on('notification', () => {});
        return client.mark;
      case 'patch': {
        const { query } = client;
        client.query = ((...args: unknown[]) =>
          (query as (...args: unknown[]) => unknown).apply(client, args)) as never;
        return undefined;
      }
      case 'look':
        return [client.mark, client.listenerCount('notification'), shown(await client.query('select 5 as n'))];
      case 'cursor': {
        const cursor = client.query(new Cursor(`select n from generate_series(1, ${step.rows}) n`));
        const rows = await cursor.read(10);
        await cursor.close();
        return rows.length;
      }
      case 'stream': {
        let count = 0;
        for await (const _row of client.query(new QueryStream(`select n from generate_series(1, ${step.rows}) n`)))
          count++;
        return count;
      }
      case 'copy in': {
        await client.query('create temp table if not exists copied (n int)');
        await pipeline(Readable.from([`${step.rows}\n`]), client.query(copyIn('copy copied from stdin')));
        return shown(await client.query('select count(*)::int from copied'));
      }
      case 'copy out':
        return (await read(client.query(copyOut(`copy (select n from generate_series(1, ${step.rows}) n) to stdout`))))
          .length;
    }
  }

  function noted(step: Step, error: Error & { code?: string }): string {
    if ('on' in step) errors.set(step.on, error);
    return `error ${error.code ?? error.message}`;
  }
}

const { setTimeout: timer, clearTimeout: stop } = globalThis;
const sleep = (ms: number) => new Promise<void>((resolve) => timer(resolve, ms));

async function within(work: Promise<unknown>): Promise<string> {
  let late: NodeJS.Timeout | undefined;
  const hung = new Promise<string>((resolve) => {
    late = timer(resolve, 20_000, 'hung');
  });
  const gave = await Promise.race([work, hung]);
  stop(late);
  return JSON.stringify(gave) ?? 'nothing';
}

function shown(result: pg.QueryResult): unknown {
  return [result].flat().map(({ rows, command, rowCount }) => ({ rows, command, rowCount }));
}
