import { compileWorker, startFleet } from './app/fleet.js';
import { type ContenderKey, contenderOf, highestLimit, routeOf } from './contenders/catalogue.js';
import { ROUTES } from './contenders/routes.js';
import { prepareDatabase } from './database/database.js';
import { compileGenerator, startGenerator } from './load/load.js';
import type { LoadJob } from './load/loadTypes.js';
import type { Options } from './options.js';
import { builtFile } from './output/folders.js';
import type { ProgressLine } from './output/progress.js';
import { UsageError } from './output/usageError.js';
import { generateClient } from './prisma/generate.js';
import type { Cleanup } from './processes/cleanup.js';
import { PRISMA_CLIENT } from './replay.js';

/** Two loads in turn: a steady one, then a burst that fills the pool. */
const TURNS = [
  { clients: 8, rate: 300, forMs: 15_000 },
  { clients: 100, forMs: 3_000 },
] as const;
const CLIENT_TIMEOUT_MS = 10_000;
const MOST_REQUESTS = 1_000_000;

export interface LiveOptions extends Pick<Options, 'only' | 'allowRemote'> {
  url: string | undefined;
}

/** Runs one process of the app with Tenure under load, with the live page, until it is interrupted. */
export async function serveLive(options: LiveOptions, line: ProgressLine, cleanup: Cleanup): Promise<never> {
  const contender = tenureIn(options.only);
  const route = routeOf(contender);
  if (route === 'sign-ups') await generateClient(await builtFile(PRISMA_CLIENT), (text) => line.step(text));
  line.step('Compiling the app and the load generator');
  await Promise.all([compileWorker(), compileGenerator()]);
  line.step(options.url === undefined ? 'Starting a fresh PostgreSQL' : 'Looking at the server of DATABASE_URL');
  const database = await prepareDatabase(
    {
      ...options,
      needs: { connections: await highestLimit([contender]), exhausts: false },
      onFindings: () => {},
      onSlow: (text) => line.step(text),
    },
    cleanup,
  );
  const generator = await startGenerator(() => {}, cleanup);
  const job = { contender, url: database.url, schema: database.schema, withPage: true };
  const fleet = await startFleet(job, cleanup, 1);
  line.end();
  console.log(
    `${contenderOf(contender).title} under load. The live page: ${new URL('/pool', fleet.urls[0])}\nCtrl-C ends it.`,
  );
  const load = async (): Promise<never> => {
    for (let turn = 0; ; turn++) {
      await generator.call.run(loadJob(TURNS[turn % TURNS.length]!, fleet.urls, ROUTES[route].method));
    }
  };
  return Promise.race([load(), fleet.died, generator.died, database.died]);
}

function tenureIn(keys: readonly ContenderKey[]): ContenderKey {
  const key = keys.find((one) => contenderOf(one).isTenure);
  if (key === undefined)
    throw new UsageError('--serve shows pools of Tenure: --only must name tenure or prisma-tenure.');
  return key;
}

function loadJob(
  turn: Pick<LoadJob, 'clients' | 'forMs' | 'rate'>,
  urls: string[],
  method: LoadJob['method'],
): LoadJob {
  return {
    ...turn,
    urls,
    method,
    untilAnswered: 0,
    maxMs: turn.forMs,
    maxRequests: MOST_REQUESTS,
    clientTimeoutMs: CLIENT_TIMEOUT_MS,
  };
}
