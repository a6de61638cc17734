import { randomUUID } from 'node:crypto';
import type { Pool } from '@tenure/core/pg';
import type pg from 'pg';
import { describe, expect, it } from 'vitest';
import { useProxy } from '../../support/proxy/useProxy.js';
import { usePostgres } from '../../support/usePostgres.js';
import { turnTlsOn } from '../session/tlsServer.js';
import { makeShort, openSharing, useSlowMachine } from './support.js';

/*
 * Many callers run random operations on one pool, while others disturb it. Each caller checks its own answer, which must have the
 * tag of that query. The figure is small in CI; `PIPELINE_OPERATIONS=1000000` runs a million of each kind but those in pieces,
 * and `PIPELINE_SEED` makes other ones.
 */
const OPERATIONS = Number(process.env.PIPELINE_OPERATIONS ?? 3_000);
const SEED = Number(process.env.PIPELINE_SEED ?? 0);
const CALLERS = 40;
const LONGEST_MS = 60_000 + OPERATIONS * 10;

const postgres = await usePostgres();
useSlowMachine();

/** Errors of a connection that was ended, or a query that was cancelled, by the test itself. */
const DISTURBED = ['57P01', '57014', '08006', 'ECONNRESET', 'EPIPE', undefined];

class World {
  readonly #pool: Pool;
  readonly #name = `t_${randomUUID().slice(0, 8)}`;
  readonly #mayDisturb: boolean;
  readonly written = new Set<string>();
  readonly mayBeWritten = new Set<string>();
  readonly problems: string[] = [];
  /** Errors that the disturbances explain. */
  disturbed = 0;
  left: number;
  readonly #operations: number;
  #seed: number;

  constructor(pool: Pool, { operations = OPERATIONS, mayDisturb = true, seed = 1 } = {}) {
    this.#pool = pool;
    this.#operations = this.left = operations;
    this.#mayDisturb = mayDisturb;
    this.#seed = SEED * 1_000 + seed;
  }

  /** The reads, by what they read; each has its own width. */
  get #reads(): string[] {
    const name = this.#name;
    return [
      `select $1::text as tag, id, v from ${name} where id = $2`,
      `select $1::text as tag, id, v, v + 1 as w, pg_backend_pid() as pid from ${name} where id = $2`,
      `select id, $1::text as tag from ${name} where id between $2 and $2 + 3 order by id`,
      `select * from (select $1::text as tag) t left join ${name}_wide w on w.id = $2`,
    ];
  }

  async prepare(): Promise<void> {
    const name = this.#name;
    await this.#pool.query(`create table ${name} as select n as id, n * 2 as v from generate_series(1, 200) n`);
    await this.#pool.query(
      `create table ${name}_wide as select n as id, repeat('x', n * 10) as x from generate_series(1, 200) n`,
    );
    await this.#pool.query(`create table ${name}_log (tag text)`);
    for (const text of this.#reads) await makeShort(this.#pool, text, ['first', 1]);
  }

  random(below: number): number {
    this.#seed = (Math.imul(this.#seed, 1_103_515_245) + 12_345) & 0x7fffffff;
    return Math.floor((this.#seed / 0x80000000) * below);
  }

  async run(): Promise<void> {
    const callers = Array.from({ length: CALLERS }, () => this.#caller());
    const disturber = this.#mayDisturb ? this.#disturb() : undefined;
    await Promise.all(callers);
    await disturber;
    const { rows } = await this.#pool.query<{ tag: string; n: string }>(
      `select tag, count(*) as n from ${this.#name}_log group by tag`,
    );
    for (const { tag, n } of rows) {
      if (n !== '1') this.problems.push(`written ${n} times: ${tag}`);
      if (!this.written.delete(tag) && !this.mayBeWritten.has(tag))
        this.problems.push(`written though it failed: ${tag}`);
    }
    for (const tag of this.written) this.problems.push(`not written: ${tag}`);
    const { state, queries, share, deepest, again } = this.#pool.stats().pipelined!;
    console.info(
      `${this.#operations} operations, ${queries} behind others (${Math.round(100 * share)} % of short reads, ${deepest} deep, ${state}), ` +
        `${again} sent again, ${this.disturbed} ended by the test, ${this.problems.length} problems`,
    );
  }

  async #caller(): Promise<void> {
    while (this.left-- > 0) {
      try {
        await this.#operation();
      } catch (error) {
        this.#failed(error);
      }
    }
  }

  #failed(error: unknown): void {
    const { code, message } = error as { code?: string; message: string };
    if (this.#mayDisturb && DISTURBED.includes(code)) this.disturbed++;
    else this.problems.push(`${code} ${message}`);
  }

  async #operation(): Promise<void> {
    const kind = this.random(100);
    if (kind < 80) return this.#read();
    if (kind < 88) return this.#failingRead();
    if (kind < 93) return this.#write();
    if (kind < 94) return this.#changeSession();
    return this.#transaction();
  }

  async #read(): Promise<void> {
    const tag = randomUUID();
    const id = 1 + this.random(190);
    const which = this.random(this.#reads.length);
    const text = this.#reads[which]!;
    const isArray = this.random(4) === 0;
    const { rows, fields } = isArray
      ? await this.#pool.query({ text, values: [tag, id], rowMode: 'array' })
      : await this.#pool.query(text, [tag, id]);
    const names = fields.map(({ name }) => name);
    const objects = isArray
      ? (rows as unknown[][]).map((row) => Object.fromEntries(row.map((value, n) => [names[n], value])))
      : (rows as Record<string, unknown>[]);
    const isRight =
      objects.length === (which === 2 ? 4 : 1) &&
      objects.every((row, n) => row.tag === tag && row.id === id + n) &&
      (which > 1 || objects[0]!.v === id * 2) &&
      (which !== 3 || String(objects[0]!.x).length >= id * 10);
    if (!isRight) this.problems.push(`another answer for ${tag} ${id} ${which}: ${JSON.stringify(rows).slice(0, 300)}`);
  }

  /** Fails at its own value only, in the middle of others. */
  async #failingRead(): Promise<void> {
    const text = `select $1::text as tag, 10 / $2::int as q from ${this.#name} where id = 5`;
    const divisor = this.random(3);
    const tag = randomUUID();
    const outcome = await this.#pool.query(text, [tag, divisor]).then(
      ({ rows }) => rows[0] as { tag: string; q: number },
      (error: { code?: string }) => error.code,
    );
    if (divisor === 0) {
      if (outcome !== '22012' && !(this.#mayDisturb && DISTURBED.includes(outcome as string)))
        this.problems.push(`expected 22012: ${JSON.stringify(outcome)}`);
    } else if (typeof outcome !== 'object') {
      this.#failed({ code: outcome, message: 'a read that should succeed' });
    } else if (outcome.tag !== tag || outcome.q !== Math.trunc(10 / divisor)) {
      this.problems.push(`another answer for ${tag}: ${JSON.stringify(outcome)}`);
    }
  }

  async #write(): Promise<void> {
    const tag = randomUUID();
    this.mayBeWritten.add(tag);
    await this.#pool.query(`insert into ${this.#name}_log values ($1)`, [tag]);
    this.written.add(tag);
  }

  /** Removes the statements, or changes their meaning, for the next holder of the connection. */
  async #changeSession(): Promise<void> {
    const client = await this.#pool.connect();
    try {
      const change = ['deallocate all', 'discard plans', `set datestyle to 'iso, mdy'`, 'reset all'][this.random(4)]!;
      await client.query(change);
    } finally {
      client.release();
    }
  }

  async #transaction(): Promise<void> {
    const client = (await this.#pool.connect()) as pg.PoolClient & {
      pipeline: boolean;
      readyForQuery: boolean;
      _activeQuery: unknown;
      _sentQueryQueue: unknown[];
      getTransactionStatus(): string;
    };
    const isIdle = client.getTransactionStatus() === 'I' && client.readyForQuery && !client._activeQuery;
    if (!isIdle || client.pipeline || client._sentQueryQueue.length > 0)
      this.problems.push(`handed over in status ${client.getTransactionStatus()}, pipeline ${client.pipeline}`);
    try {
      const tag = randomUUID();
      const commits = this.random(2) === 0;
      await client.query('begin');
      if (commits) this.mayBeWritten.add(tag);
      await client.query(`insert into ${this.#name}_log values ($1)`, [tag]);
      const { rows } = await client.query('select $1::text as tag', [tag]);
      if (rows[0].tag !== tag) this.problems.push(`another answer in a transaction for ${tag}`);
      await client.query(commits ? 'commit' : 'rollback');
      if (commits) this.written.add(tag);
    } finally {
      client.release();
    }
  }

  /** Ends sessions, cancels queries, changes tables, moves limits. */
  async #disturb(): Promise<void> {
    const { admin } = postgres;
    const name = this.#name;
    const alter = (change: string) => admin(`set role app; alter table ${name}_wide ${change}`);
    for (let n = 0; this.left > 0; n++) {
      const pids = this.#pool.connections().flatMap(({ processId }) => processId ?? []);
      const pid = pids[this.random(pids.length)];
      const kind = this.random(10);
      if (kind < 1 && pid) await admin('select pg_terminate_backend($1)', [pid]);
      else if (kind < 5 && pid) await admin('select pg_cancel_backend($1)', [pid]);
      else if (kind < 7) await alter(`add column c${n} int`);
      else if (kind < 8) await alter(`alter column x type ${n % 2 ? 'text' : 'varchar'}`);
      else if (kind < 9) this.#pool.invalidate();
      await new Promise((resolve) => setTimeout(resolve, 20 + this.random(60)));
    }
  }
}

describe('Every answer goes to its own caller, no write happens twice, and no connection is handed over in the middle of something', () => {
  it('among reads, failing reads, writes and transactions', { timeout: LONGEST_MS }, async () => {
    const pool = openSharing(postgres);
    const world = new World(pool, { mayDisturb: false });
    await world.prepare();
    await world.run();
    expect(world.problems.slice(0, 5)).toEqual([]);
    expect(pool.stats().pipelined).toMatchObject({ state: 'on', deepest: 4 });
    expect(pool.stats().pipelined!.queries).toBeGreaterThan(OPERATIONS / 20);
  });

  it('while sessions are ended, queries cancelled and tables changed', { timeout: LONGEST_MS }, async () => {
    const pool = openSharing(postgres);
    const world = new World(pool, { seed: 2 });
    await world.prepare();
    await world.run();
    expect(world.problems.slice(0, 5)).toEqual([]);
    expect(pool.stats().pipelined).toMatchObject({ state: 'on', deepest: 4 });
    expect(pool.stats().pipelined!.queries).toBeGreaterThan(OPERATIONS / 50);
  });

  it('over TLS, while all that goes on', { timeout: LONGEST_MS }, async () => {
    const ca = await turnTlsOn(postgres);
    const url = postgres.url.replace(postgres.host, 'localhost');
    const pool = openSharing({ url }, { ssl: { ca } });
    const world = new World(pool, { seed: 3 });
    await world.prepare();
    await world.run();
    expect(world.problems.slice(0, 5)).toEqual([]);
    expect(pool.stats().pipelined).toMatchObject({ state: 'on', deepest: 4 });
    expect(pool.stats().pipelined!.queries).toBeGreaterThan(OPERATIONS / 50);
  });

  it.each([1, 2, 3, 5, 7, 64])('with packets of %i bytes', { timeout: LONGEST_MS }, async (pieceBytes) => {
    const proxy = await useProxy(postgres);
    const pool = openSharing({ url: `postgres://app:app@${proxy.host}:${proxy.port}/app` });
    const world = new World(pool, { operations: Math.ceil(OPERATIONS / 20), mayDisturb: false, seed: pieceBytes });
    await world.prepare();
    proxy.pieceBytes = pieceBytes;
    await world.run();
    proxy.pieceBytes = Number.POSITIVE_INFINITY;
    expect(world.problems.slice(0, 5)).toEqual([]);
    expect(pool.stats().pipelined).toMatchObject({ state: 'on' });
    expect(pool.stats().pipelined!.queries).toBeGreaterThan(0);
  });
});
