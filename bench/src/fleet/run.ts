import { type ContenderKey, contenderOf, highestLimit, PROCESSES } from '@tenure/replay/contenders/catalogue.js';
import { summariseAll } from '@tenure/replay/figures/summary.js';
import { ProgressLine } from '@tenure/replay/output/progress.js';
import { makePlan } from '@tenure/replay/plan.js';
import { Cleanup } from '@tenure/replay/processes/cleanup.js';
import { replay } from '@tenure/replay/replay.js';
import { findPgBouncer } from '@tenure/test/support/pgbouncer.js';
import type { Outcome } from '../bench.js';
import { barsOf, tablesOf, targetsOf } from './figures.js';

const DIRECT: readonly ContenderKey[] = ['oversized', 'stock', 'tenure', 'tenure-no-budget', 'prisma', 'prisma-tenure'];
const POOLED: readonly ContenderKey[] = ['pgbouncer', 'prisma-pgbouncer'];

/** Two thousand for each process: with fewer, the result is how long its code takes to be compiled. */
const WARM_UP = 16_000;

/** The contenders of the replay, and others with a PgBouncer, which people put in front of a server that has too many clients. */
export async function runFleet(quick: boolean): Promise<Outcome> {
  const hasPgBouncer = findPgBouncer() !== undefined;
  const only = hasPgBouncer ? [...DIRECT, ...POOLED] : DIRECT;
  const cleanup = new Cleanup();
  const line = new ProgressLine(process.stderr);
  try {
    const plan = makePlan({ only, quick, limit: await highestLimit(only), warmUp: quick ? 0 : WARM_UP });
    const { passes, findings } = await replay(plan, { allowRemote: false, url: undefined }, line, cleanup);
    const summaries = summariseAll(passes);
    return {
      postgres: findings.version,
      report: {
        title: 'A fleet on one server',
        about: [
          `${PROCESSES} processes of an HTTP service, ${plan.clients} clients, a server with ${findings.maxConnections} connections: what npx -y pnpm@12 start shows, with PgBouncer ` +
            'as a peer and processes that are warm. “Knex 8 × 50” is eight processes with a max of 50 each. Medians of the passes, which take turns. ' +
            `Before a pass the load runs until ${WARM_UP.toLocaleString('en')} requests are answered, or for 25 s, so that all code is compiled. Failed and timed out are of all passes. ` +
            'Server connections: the peak. Opened: in the pass, by the app, to the server or to PgBouncer. CPU: per request that was answered. ' +
            'The server, the processes, PgBouncer and the clients share the cores.',
          pgBouncerLine(hasPgBouncer, PROCESSES * (await contenderOf('pgbouncer').limit())),
        ],
        tables: tablesOf(summaries),
        plots: barsOf(summaries),
        targets: targetsOf(summaries),
        figures: { fleet: summaries },
      },
    };
  } finally {
    line.end();
    await cleanup.run();
  }
}

function pgBouncerLine(installed: boolean, connections: number): string {
  return installed
    ? `PgBouncer: transaction mode, at most ${connections} connections to the server, as many as Tenure’s processes may have together.`
    : 'PgBouncer is not installed here, so it did not run: apt-get install pgbouncer.';
}
