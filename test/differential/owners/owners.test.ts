import { Pool } from '@tenure/core/pg';
import pg from 'pg';
import { expect, it, onTestFinished } from 'vitest';
import { seedFrom } from '../../support/seed.js';
import { usePostgres } from '../../support/usePostgres.js';
import { Random } from '../script.js';
import { playOwners } from './play.js';
import { type Making, writeScript } from './script.js';

/*
 * The same random scripts on several stock pools and on several of Tenure: pools of one target and settings, made in several places, by a loop, or
 * by one function again and again. By hand: DIFF_SCRIPTS=20000 pnpm vitest run --project postgres test/differential/owners
 * One again: DIFF_SCRIPTS=1 DIFF_SEED=…
 */
const SCRIPTS = Number(process.env.DIFF_SCRIPTS ?? 120);
const SEED = seedFrom('DIFF_SEED');
const LANES = Number(process.env.DIFF_LANES ?? 3);

// Its errors are what the scripts are about.
const postgres = await usePostgres({ settings: { log_min_messages: 'log', max_connections: '200' } });

it('Several pools give what several stock pools give', { timeout: 600_000 + SCRIPTS * 3_000 }, async () => {
  console.log(`owners: ${SCRIPTS} scripts from DIFF_SEED=${SEED}`);
  const uncaught: unknown[] = [];
  const note = (error: unknown) => void uncaught.push(error);
  process.on('uncaughtException', note);
  onTestFinished(() => void process.off('uncaughtException', note));
  const differences: string[] = [];
  const played = new Map<Making, number>();
  const sides: [string, string][] = [];
  let next = 0;
  const work = async (lane: number) => {
    // Names of one length: the locks of the sides are distinguished by it.
    const [stock, tenure] = [`stock_${lane}`, `tenure_${lane}`];
    for (const side of [stock, tenure])
      await postgres.admin(`create table ${side}_log (entry text); grant all on ${side}_log to app`);
    while (next < SCRIPTS && differences.length < 5) {
      const seed = SEED + next++;
      const script = writeScript(new Random(seed));
      played.set(script.making, (played.get(script.making) ?? 0) + 1);
      const [expected, found] = await Promise.all([
        playOwners(pg.Pool, script, stock, postgres.url),
        playOwners(Pool, script, tenure, postgres.url),
      ]);
      const at = expected.findIndex((outcome, step) => outcome !== found[step]);
      if (at < 0) continue;
      const steps = script.steps.map((step, n) => `${n === at ? '> ' : '  '}${JSON.stringify(step)}`).join('\n');
      differences.push(
        `DIFF_SEED=${seed}, ${script.making}, max ${script.max}\n  stock:  ${expected[at]}\n  Tenure: ${found[at]}\n${steps}`,
      );
    }
    sides.push([stock, tenure]);
  };
  await Promise.all(Array.from({ length: Math.min(LANES, SCRIPTS) }, (_, lane) => work(lane)));
  expect(differences.join('\n\n')).toBe('');
  for (const pair of sides) {
    const entries = (side: string) =>
      postgres.admin(`select entry, count(*)::int from ${side}_log group by 1 order by 1`);
    const [of, by] = await Promise.all(pair.map(entries));
    expect(by).toEqual(of);
  }
  expect(uncaught).toEqual([]);
  if (SCRIPTS > 100) expect([...played.keys()].sort()).toEqual(['factory', 'loop', 'places']);
});
