import { processesOf, routeOf } from '../contenders/catalogue.js';
import { ROUTES } from '../contenders/routes.js';
import { builtFile } from '../output/folders.js';
import { type Child, startChild } from '../processes/child.js';
import type { Cleanup } from '../processes/cleanup.js';
import { compile } from '../processes/compile.js';
import type { WorkerFunctions, WorkerJob, WorkerReport } from './worker.js';

const SOURCE = new URL('./worker.ts', import.meta.url);
const ENTRY = 'worker.js';

export const compileWorker = async () => compile(SOURCE, await builtFile(ENTRY));

/** The app's processes. */
export interface Fleet {
  readonly urls: string[];
  readonly died: Promise<never>;
  begin(): Promise<void>;
  report(): Promise<WorkerReport[]>;
  /** Closes each app's database, then ends its process. */
  stop(): Promise<void>;
}

export async function startFleet(
  job: WorkerJob,
  cleanup: Cleanup,
  processes = processesOf(job.contender),
): Promise<Fleet> {
  const entry = await builtFile(ENTRY);
  const workers = Array.from({ length: processes }, (_, index) =>
    startChild<WorkerFunctions>(entry, `Worker ${index + 1}`),
  );
  cleanup.defer(() => each(workers, (worker) => worker.stop()));
  const died = Promise.race(workers.map((worker) => worker.died));
  died.catch(() => {});
  const { path } = ROUTES[routeOf(job.contender)];
  const ports = await each(workers, ({ call }) => call.listen(job));

  return {
    urls: ports.map((port) => `http://127.0.0.1:${port}${path}`),
    died,
    begin: async () => void (await each(workers, ({ call }) => call.begin())),
    report: () => each(workers, ({ call }) => call.report()),
    stop: async () => {
      await each(workers, ({ call }) => call.close());
      await each(workers, (worker) => worker.stop());
    },
  };
}

function each<Result>(
  workers: Child<WorkerFunctions>[],
  action: (worker: Child<WorkerFunctions>) => Promise<Result>,
): Promise<Result[]> {
  return Promise.all(workers.map(action));
}
