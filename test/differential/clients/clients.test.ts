import { Pool } from '@tenure/core/pg';
import pg from 'pg';
import { afterEach, expect, it, vi } from 'vitest';
import { seedFrom } from '../../support/seed.js';
import { usePostgres } from '../../support/usePostgres.js';
import { Random } from '../script.js';
import { play } from './play.js';
import { SCHEMA, type Step, write } from './script.js';

/*
 * What an app does with the clients of one pool: it takes and gives them back in all forms, with transactions awaited and not, cursors,
 * streams, COPY, marks and replaced methods, subclasses, late queries, under fake timers. Each script runs on a stock pool and on Tenure's.
 *
 * By hand: DIFF_SCRIPTS=5000 pnpm vitest run --project postgres test/differential/clients; one again: DIFF_SCRIPTS=1 DIFF_SEED=…
 */
const SCRIPTS = Number(process.env.DIFF_SCRIPTS ?? 60);
const SEED = seedFrom('DIFF_SEED');

// Its errors are what the scripts are about.
const postgres = await usePostgres({ settings: { log_min_messages: 'log' } });
const database = (name: string, url = postgres.url) => url.replace(/\/[^/]*$/, `/${name}`);
afterEach(() => void vi.useRealTimers());

/**
 * Tenure may refuse a late query, with a reason. A client may also survive when another caller's error has made the stock pool
 * close its connection.
 */
function allows({ do: step }: Step, stock: string, ours: string): boolean {
  return step === 'late query' && (ours.includes('TENURE_USAGE') || stock.includes('Client was closed'));
}

it('gives what it gives with a stock pool', { timeout: 600_000 + SCRIPTS * 3_000 }, async () => {
  console.log(`clients: ${SCRIPTS} scripts from DIFF_SEED=${SEED}`);
  vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  const uncaught = vi.fn();
  process.on('uncaughtException', uncaught);
  await postgres.admin('create role other; grant other to app');
  for (const name of ['stock', 'tenure']) {
    await postgres.admin(`create database ${name} owner app`);
    await inDatabase(name, `${SCHEMA}; grant all on things to other`);
  }
  for (let n = 0; n < SCRIPTS; n++) {
    const script = write(new Random(SEED + n));
    if (script.fakeTimers) vi.useFakeTimers();
    const sides = await Promise.all([play(pg.Pool, database('stock'), script), play(Pool, database('tenure'), script)]);
    vi.useRealTimers();
    const [stock, ours] = sides as [string[], string[]];
    expect([stock.at(-1), ours.at(-1)]).toEqual(['"ended"', '"ended"']);
    const at = script.steps.findIndex((step, i) => stock[i] !== ours[i] && !allows(step, stock[i]!, ours[i]!));
    const story = script.steps.map(
      (step, i) => `${JSON.stringify(step)}\n   ${stock[i]}${stock[i] === ours[i] ? '' : `\n   ${ours[i]}`}`,
    );
    expect(
      at < 0
        ? ''
        : `DIFF_SEED=${SEED + n}, step ${at + 1}, ${JSON.stringify({ ...script, steps: 0 })}\n${story.join('\n')}`,
    ).toBe('');
    if (script.steps.some((step, i) => stock[i] !== ours[i] && allows(step, stock[i]!, ours[i]!))) {
      for (const name of ['stock', 'tenure']) await inDatabase(name, 'truncate things');
    }
  }
  const stored = await Promise.all(
    ['stock', 'tenure'].map((name) => inDatabase(name, 'select * from things order by id')),
  );
  expect(stored[1]).toEqual(stored[0]);
  process.off('uncaughtException', uncaught);
  expect(uncaught).not.toHaveBeenCalled();
});

async function inDatabase(name: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client(database(name, postgres.superuserUrl));
  await client.connect();
  const result = await client.query(sql);
  await client.end();
  return [result].flat().at(-1)!.rows;
}
