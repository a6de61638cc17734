import { setImmediate as nextTurn } from 'node:timers/promises';
import type pg from 'pg';
import QueryStream from 'pg-query-stream';
import type { OwnerScript, OwnerStep } from './script.js';

type PoolClass = new (config: pg.PoolConfig) => pg.Pool;
type Marked = pg.PoolClient & { mark?: string };

const HUNG_AFTER_MS = 20_000;

/** Runs a script with one class of pools, and returns the result of each step. */
export async function playOwners(Class: PoolClass, script: OwnerScript, side: string, url: string): Promise<string[]> {
  // A lock that an idle connection of another pool holds: a stock pool closes that one after 10 s, ours later. Until then both wait, and give up.
  const config = { connectionString: url, max: script.max, application_name: side, lock_timeout: 500 };
  const pools = await makePools(Class, config, script);
  for (const pool of pools) pool.on('error', () => {});
  const player = new Player(pools, side);
  const outcomes: string[] = [];
  try {
    for (const [n, step] of script.steps.entries()) outcomes.push(await inTime(player.run(step, n)));
  } finally {
    await player.close();
  }
  return outcomes;
}

async function makePools(Class: PoolClass, config: pg.PoolConfig, { making, pools }: OwnerScript): Promise<pg.Pool[]> {
  if (making === 'loop') return Array.from({ length: pools }, () => new Class(config));
  const made: pg.Pool[] = [];
  if (making === 'factory') {
    for (let n = 0; n < pools; n++) {
      made.push(new Class(config));
      await nextTurn();
    }
    return made;
  }
  made.push(new Class(config));
  await nextTurn();
  made.push(new Class(config));
  await nextTurn();
  if (pools > 2) made.push(new Class(config));
  return made;
}

class Player {
  readonly #pools: readonly pg.Pool[];
  readonly #side: string;
  readonly #held = new Map<number, { readonly client: Marked; readonly pool: number }>();
  /** Clients that a pool has given out, as a library keeps them that sets each up at its first use. */
  readonly #seen = new Map<pg.PoolClient, number>();

  constructor(pools: readonly pg.Pool[], side: string) {
    this.#pools = pools;
    this.#side = side;
  }

  async run(step: OwnerStep, n: number): Promise<unknown> {
    switch (step.do) {
      case 'query':
        return this.#ask(this.#pools[step.pool]!, step.text, n);
      case 'take':
        return this.#take(step.pool, step.client);
      case 'ask':
        return this.#ask(this.#held.get(step.client)!.client, step.text, n);
      case 'release':
        this.#held.get(step.client)!.client.release();
        this.#held.delete(step.client);
        return 'released';
      case 'mark':
        return this.#mark(this.#held.get(step.client)!, step.what);
      case 'copy':
        return this.#copy(this.#pools[step.from]!, this.#pools[step.into]!, step.rows);
      case 'end':
        return this.#pools[step.pool]!.end();
    }
  }

  async close(): Promise<void> {
    for (const { client } of this.#held.values()) client.release(true);
    await Promise.all(this.#pools.filter(({ ending }) => !ending).map((pool) => pool.end()));
  }

  async #ask(on: pg.Pool | pg.PoolClient, text: string, n: number): Promise<unknown> {
    const own = text
      .replaceAll('{side}', this.#side)
      .replaceAll('{lock}', String(Buffer.from(this.#side).readUIntBE(this.#side.length - 4, 4)))
      .replaceAll('{n}', `step ${n}`);
    const { rows, command } = await on.query(own);
    return JSON.stringify({ rows, command }).replaceAll(this.#side, 'side');
  }

  /** What the app sees of a client: its owners before, what is on it, and whether the set-up of its first use is in effect. */
  async #take(pool: number, name: number): Promise<unknown> {
    const client: Marked = await this.#pools[pool]!.connect();
    this.#held.set(name, { client, pool });
    if (!this.#seen.has(client)) {
      this.#seen.set(client, pool);
      await client.query(`set application.tenant = 'pool ${pool}'`);
    }
    const { rows } = await client.query(`select current_setting('application.tenant', true) as tenant, 1 as number`);
    const marks = [this.#seen.get(client), client.mark ?? pool, client.listenerCount('notification') > 0];
    // Which of the pool's own clients comes is not defined. The script only tests that no other pool has left anything on it.
    return { tenant: rows[0].tenant, owners: marks.slice(0, 2), isOwn: isOwnAnswer(rows[0].number, pool) };
  }

  #mark({ client, pool }: { client: Marked; pool: number }, what: Extract<OwnerStep, { do: 'mark' }>['what']): string {
    if (what === 'property') Object.assign(client, { mark: pool });
    if (what === 'parser') client.setTypeParser(23, (text) => `${text} of pool ${pool}`);
    if (what === 'listener') client.on('notification', () => {});
    if (what === 'method') {
      const { query } = client;
      Object.assign(client, {
        query: (...args: never[]) => (query as (...given: never[]) => unknown).apply(client, args),
      });
    }
    return 'marked';
  }

  async #copy(from: pg.Pool, into: pg.Pool, rows: number): Promise<unknown> {
    const client = await from.connect();
    try {
      const stream = client.query(new QueryStream('select n from generate_series(1, $1::int) n', [rows]));
      let copied = 0;
      for await (const _ of stream) {
        await into.query(`insert into ${this.#side}_log values ('copied')`);
        copied++;
      }
      return copied;
    } finally {
      client.release();
    }
  }
}

function isOwnAnswer(number: unknown, pool: number): boolean {
  return number === 1 || number === `1 of pool ${pool}`;
}

async function inTime(work: Promise<unknown>): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(resolve, HUNG_AFTER_MS, 'hung');
  });
  const gave = work.then(
    (value) => JSON.stringify(value) ?? 'nothing',
    (error: { code?: string; message: string }) => `error ${error.code ?? error.message}`,
  );
  return Promise.race([gave, late]).finally(() => clearTimeout(timer));
}
