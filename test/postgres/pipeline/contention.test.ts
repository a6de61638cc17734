import { setImmediate as turn } from 'node:timers/promises';
import type { Pool } from '@tenure/core/pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startPostgres } from '../../support/postgres.js';
import { useProxy } from '../../support/proxy/useProxy.js';
import { usePostgres } from '../../support/usePostgres.js';
import { makeShort, openSharing, useSlowMachine } from './support.js';

const postgres = await usePostgres();
useSlowMachine();

const ROWS = 50;
const TABLES = `set role app;
  create table hot as select n as id, 0 as v from generate_series(1, ${ROWS}) n;
  create table cold as select n as id, n * 2 as v from generate_series(1, ${ROWS}) n`;
await postgres.admin(TABLES);

const HOT = 'select $1::text as tag, v from hot where id = $2';
const COLD = 'select $1::text as tag, v from cold where id = $2';
const ADD = 'update hot set v = v + 1 where id = $1';

interface Row {
  readonly tag: string;
  readonly v: number;
}

async function read(pool: Pool, text: string, tag: string, id: number): Promise<Row> {
  const { rows } = await pool.query<Row>(text, [tag, id]);
  if (rows.length !== 1 || rows[0]!.tag !== tag) throw new Error(`another answer for ${tag}: ${JSON.stringify(rows)}`);
  return rows[0]!;
}

/** Callers that read until they are stopped. */
function readers(pool: Pool, count: number, check: (row: Row, id: number) => void) {
  let isOver = false;
  let reads = 0;
  const all = Array.from({ length: count }, async (_, caller) => {
    for (let n = 0; !isOver; n++) {
      const id = 1 + ((caller + n) % ROWS);
      check(await read(pool, COLD, `${caller}/${n}`, id), id);
      reads++;
    }
  });
  return {
    reads: () => reads,
    async stop() {
      isOver = true;
      await Promise.all(all);
    },
  };
}

/** Resolves once so many further reads were answered. */
async function furtherReads({ reads }: { reads: () => number }, count: number): Promise<void> {
  const before = reads();
  while (reads() < before + count) await turn();
}

const expectCold = ({ v }: Row, id: number) => expect(Number(v)).toBe(id * 2);

describe('Reads that share connections', () => {
  it('answer a transaction that others wait for, though one of these has been sent already', async () => {
    const pool = openSharing(postgres);
    for (const text of [HOT, COLD]) await makeShort(pool, text, ['first', 1]);
    for (let round = 0; round < 20; round++) {
      const client = await pool.connect();
      await client.query('begin');
      await client.query(ADD, [1]);
      const waiting = pool.query(ADD, [1]);
      const others = Array.from({ length: 12 }, (_, n) => read(pool, n % 2 ? HOT : COLD, `${round}/${n}`, 1));
      // Outside of the transaction, which ends only when it has the answer.
      expect(await read(pool, COLD, 'awaited', 1)).toMatchObject({ v: 2 });
      await client.query('commit');
      client.release();
      await Promise.all([waiting, ...others]);
    }
    const { rows } = await pool.query('select v from hot where id = 1');
    expect(rows).toEqual([{ v: 40 }]);
    expect(pool.stats().pipelined).toMatchObject({ state: 'on' });
    expect(pool.stats().pipelined!.queries).toBeGreaterThan(0);
  });

  it('see what their caller has written before, beside writers of one row', { timeout: 60_000 }, async () => {
    const pool = openSharing(postgres, { max: 4 });
    for (const text of [HOT, COLD]) await makeShort(pool, text, ['first', 1]);
    const own = async (caller: number) => {
      const id = 10 + caller;
      for (let n = 1; n <= 30; n++) {
        await pool.query(ADD, [id]);
        await pool.query(ADD, [2]);
        const rows = await Promise.all([1, 2, 3].map((k) => read(pool, HOT, `${caller}/${n}/${k}`, id)));
        expect(rows.map(({ v }) => v)).toEqual([n, n, n]);
      }
    };
    const beside = readers(pool, 8, expectCold);
    await Promise.all(Array.from({ length: 10 }, (_, caller) => own(caller)));
    await beside.stop();
    expect(await read(pool, HOT, 'sum', 2)).toMatchObject({ v: 300 });
    expect(pool.stats().pipelined).toMatchObject({ state: 'on' });
    expect(pool.stats().pipelined!.queries).toBeGreaterThan(0);
  });

  it('are answered without one error while their table is changed', { timeout: 60_000 }, async () => {
    const pool = openSharing(postgres);
    const ALL = 'select *, $1::text as tag from cold where id = $2';
    for (const text of [ALL, COLD]) await makeShort(pool, text, ['first', 1]);
    const beside = readers(pool, 10, expectCold);
    const whole = async (n: number) => {
      const { rows } = await pool.query(ALL, [`all ${n}`, 7]);
      expect(rows).toEqual([expect.objectContaining({ tag: `all ${n}`, id: 7 })]);
      expect(Number(rows[0].v)).toBe(14);
    };
    let n = 0;
    for (const change of [
      'add column more int default 5',
      'alter column v type bigint',
      'drop column more',
      'alter column v type int',
      'add column again text',
    ]) {
      await postgres.admin(`set role app; alter table cold ${change}`);
      await Promise.all(Array.from({ length: 10 }, () => whole(n++)));
      await furtherReads(beside, 200);
    }
    await beside.stop();
    expect(pool.stats().pipelined).toMatchObject({ state: 'on' });
    expect(pool.stats().pipelined!.queries).toBeGreaterThan(0);
  });

  it('go on with the next server when theirs fails in mid-flight, and each error is its own caller’s', {
    timeout: 60_000,
  }, async () => {
    const successor = await startPostgres();
    onTestFinished(() => successor.stop());
    await successor.admin(TABLES);
    await successor.admin('update cold set v = v + 1000');
    const proxy = await useProxy(postgres);
    const pool = openSharing({ url: `postgres://app:app@${proxy.host}:${proxy.port}/app` });
    await makeShort(pool, COLD, ['first', 1]);
    let errors = 0;
    let isOver = false;
    const seen = { before: 0, after: 0 };
    const callers = Array.from({ length: 20 }, async (_, caller) => {
      for (let n = 0; !isOver; n++) {
        const id = 1 + ((caller + n) % ROWS);
        try {
          const v = Number((await read(pool, COLD, `${caller}/${n}`, id)).v);
          expect([id * 2, id * 2 + 1_000]).toContain(v);
          seen[v > 1_000 ? 'after' : 'before']++;
        } catch (error) {
          if (!(error instanceof Error) || error.message.startsWith('another answer')) throw error;
          errors++;
        }
      }
    });
    while (seen.before < 200) await turn();
    proxy.retarget(successor);
    proxy.sever();
    await expect.poll(() => seen.after, { timeout: 20_000 }).toBeGreaterThan(200);
    isOver = true;
    await Promise.all(callers);
    // On each connection the server may have been running one query.
    expect(errors).toBeLessThanOrEqual(3);
    expect(pool.stats().pipelined).toMatchObject({ state: 'on' });
  });
});
