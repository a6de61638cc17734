import { describe, expect, it } from 'vitest';
import { seedFrom } from '../support/seed.js';
import { usePostgres } from '../support/usePostgres.js';
import { KINDS } from './kinds/index.js';
import { Lane } from './lane.js';
import type { PoolStats } from './script.js';

/*
 * The same random scripts on a stock host and on one with Tenure, each on a database of its own: rows, errors and stored values must be the same.
 *
 * By hand, any number of them:
 *   DIFF_SCRIPTS=20000 TENURE_POSTGRES=14 pnpm vitest run --project postgres test/differential
 * One again, that has failed: DIFF_SCRIPTS=1 DIFF_SEED=… DIFF_KIND=… DIFF_HOST=…
 */
const SCRIPTS = Number(process.env.DIFF_SCRIPTS ?? 120);
const SEED = seedFrom('DIFF_SEED');
const LANES = Number(process.env.DIFF_LANES ?? 4);
const MINUTE = 60_000;
/** The time limit of one script, with room for a slow machine. */
const TIME_LIMIT = 10 * MINUTE + SCRIPTS * 3_000;

// Its errors are what the scripts are about.
const postgres = await usePostgres({ settings: { log_min_messages: 'log' } });
const kinds = KINDS.filter(({ name }) => (process.env.DIFF_KIND ?? name) === name);

describe.each(kinds)('Scripts of $name', (kind) => {
  const hosts = kind.hosts.filter((host) => (process.env.DIFF_HOST ?? host) === host);
  it.each(hosts)('give with %s what they give with a stock one', { timeout: TIME_LIMIT }, async (host) => {
    const count = Math.ceil(SCRIPTS / hosts.length);
    console.log(`${kind.name}, ${host}: ${count} scripts from DIFF_SEED=${SEED}`);
    await postgres.admin(kind.cluster);
    const differences: string[] = [];
    const stats: PoolStats[] = [];
    let next = 0;
    const work = async (lane: Lane) => {
      while (next < count && differences.length < 5) {
        const ran = await lane.run(host, SEED + next++);
        if (ran.difference) differences.push(ran.difference);
        stats.push(ran.stats);
      }
    };
    const name = (lane: number) => `${kind.name}_${host}_${lane}`;
    const lanes = Array.from({ length: Math.min(LANES, count) }, (_, lane) => Lane.open(postgres, kind, name(lane)));
    await Promise.all((await Promise.all(lanes)).map(work));
    expect(differences.join('\n\n')).toBe('');
    if (SCRIPTS > 1) kind.checkStats?.(stats, host);
  });
});
