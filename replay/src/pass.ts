import { type Fleet, startFleet } from './app/fleet.js';
import type { WorkerReport } from './app/worker.js';
import { contenderOf, PROCESSES, routeOf } from './contenders/catalogue.js';
import { DEPLOYMENT_CLIENTS, ROUTES } from './contenders/routes.js';
import type { Database } from './database/database.js';
import { type Pooler, startPooler } from './database/pooler.js';
import type { PassFigures } from './figures/passFigures.js';
import { tally } from './figures/tally.js';
import { type Generator, startGenerator } from './load/load.js';
import type { LoadJob, Progress } from './load/loadTypes.js';
import type { Pass, Plan } from './plan.js';
import type { Cleanup } from './processes/cleanup.js';
import type { Watcher } from './watch/watcher.js';

const REQUESTS_PER_CLIENT = 20_000;
const LONGEST_WARM_UP_MS = 25_000;

export interface Stage {
  plan: Plan;
  database: Database;
  watcher: Watcher;
  cleanup: Cleanup;
  onProgress(progress: Progress): void;
  onConnections(connections: number): void;
}

/** Runs one contender once: a new app, the load, and the samples of the server. Ends when no session is left. */
export async function runPass(pass: Pass, stage: Stage): Promise<PassFigures> {
  const generator = await startGenerator(stage.onProgress, stage.cleanup);
  const { database, cleanup } = stage;
  const { pooled, limit } = contenderOf(pass.contender);
  const pooler = pooled ? await startPooler(database.url, PROCESSES * (await limit()), cleanup) : undefined;
  const job = { contender: pass.contender, url: pooler?.url ?? database.url, schema: database.schema };
  const fleet = await beforeDeath([generator.died, database.died], startFleet(job, cleanup));
  return beforeDeath([fleet.died, generator.died, database.died], measure(pass, stage, fleet, generator, pooler));
}

/** Rejects when a process dies, since that is the reason of all further errors. */
function beforeDeath<Result>(deaths: Promise<never>[], work: Promise<Result>): Promise<Result> {
  return Promise.race([...deaths, work]);
}

async function measure(
  pass: Pass,
  { plan, watcher, onConnections }: Stage,
  fleet: Fleet,
  generator: Generator,
  pooler: Pooler | undefined,
): Promise<PassFigures> {
  const job = loadJob(pass, plan, fleet);
  const watch = await watcher.watch(onConnections);
  // The load goes on while the measurement begins: after a pause the pools would first have to grow again.
  if (job.warmUp) await beforeDeath([watch.failed], generator.call.warmUp(job));
  const serverBefore = await watcher.cpu.readMs();
  const poolerBefore = await pooler?.readMs();
  await fleet.begin();
  const load = await beforeDeath([watch.failed], generator.call.run(job));
  const reports = await fleet.report();
  const serverAfter = await watcher.cpu.readMs();
  const poolerAfter = await pooler?.readMs();
  const seen = await watch.stop();
  await Promise.all([fleet.stop(), generator.stop()]);
  await pooler?.stop();
  await watcher.untilNoneLeft();

  return {
    contender: pass.contender,
    load,
    ...seen,
    served: sum(reports, ({ served }) => served),
    opened: sum(reports, ({ opened }) => opened),
    refused: sum(reports, ({ refused }) => refused),
    failures: tally(reports.map(({ failures }) => failures)),
    limit: limitOf(reports),
    budget: reports.some(({ budget }) => budget === null) ? null : reports[0]!.budget,
    appCpuMs: sum(reports, ({ cpuMs }) => cpuMs),
    serverCpuMs: difference(serverBefore, serverAfter),
    poolerCpuMs: difference(poolerBefore, poolerAfter),
  };
}

function difference(before: number | null = null, after: number | null = null): number | null {
  return before === null || after === null ? null : after - before;
}

function loadJob(pass: Pass, { clients, clientTimeoutMs }: Plan, { urls }: Fleet): LoadJob {
  const { contender, forMs, untilAnswered, maxMs, warmUp, doublesAfterMs: afterMs } = pass;
  const { method } = ROUTES[routeOf(contender)];
  const maxRequests = clients * REQUESTS_PER_CLIENT;
  const job = {
    ...{ urls, method, clients, forMs, untilAnswered, maxMs, clientTimeoutMs, maxRequests },
    ...(warmUp > 0 && { warmUp: { untilAnswered: warmUp, maxMs: LONGEST_WARM_UP_MS } }),
  };
  if (afterMs === null) return job;
  const joining = { urls: urls.slice(PROCESSES), clients: DEPLOYMENT_CLIENTS, afterMs };
  return { ...job, urls: urls.slice(0, PROCESSES), clients: DEPLOYMENT_CLIENTS, joining };
}

function sum(reports: WorkerReport[], figure: (report: WorkerReport) => number): number {
  return reports.reduce((total, report) => total + figure(report), 0);
}

function limitOf(reports: WorkerReport[]): number | null {
  return reports.some(({ limit }) => limit === null) ? null : sum(reports, ({ limit }) => limit!);
}
