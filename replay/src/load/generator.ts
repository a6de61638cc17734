import type { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import autocannon from 'autocannon';
import { serve } from '../processes/serve.js';
import { LoadCount } from './loadCount.js';
import type { LoadJob, LoadResult, Progress } from './loadTypes.js';

/** The load generator's process: autocannon, whose clients run until the time is up, and then finish their requests. */

export interface GeneratorFunctions {
  run(job: LoadJob): Promise<LoadResult>;
}

const PROGRESS_EVERY_MS = 500;

const main = serve<GeneratorFunctions, { progress(progress: Progress): void }>({ run });

async function run(job: LoadJob): Promise<LoadResult> {
  const cpuBefore = process.cpuUsage();
  const count = new LoadCount(job, performance.now());
  const report = setInterval(() => main.progress.asEvent(count.progress()), PROGRESS_EVERY_MS);
  const { joining } = job;
  await Promise.all([
    sendRequests(job, job, count),
    joining && sleep(joining.afterMs).then(() => sendRequests(job, joining, count)),
  ]);
  clearInterval(report);
  const { user, system } = process.cpuUsage(cpuBefore);
  return count.result(performance.now(), (user + system) / 1_000);
}

async function sendRequests(job: LoadJob, { urls, clients }: Pick<LoadJob, 'urls' | 'clients'>, count: LoadCount) {
  await autocannon({
    // Its types allow one URL only; it spreads its clients evenly over several.
    url: urls as unknown as string,
    method: job.method,
    connections: clients,
    ...(job.rate !== undefined && { overallRate: job.rate }),
    timeout: job.clientTimeoutMs / 1_000,
    maxOverallRequests: job.maxRequests,
    duration: Math.ceil((job.maxMs + job.clientTimeoutMs) / 1_000) + 1,
    sampleInt: 250,
    setupClient: (client) => follow(client as unknown as Client, count),
  });
}

/** Members of autocannon's client that its types lack. */
interface Client extends EventEmitter {
  reqsMade: number;
  responseMax: number;
  destroy(): void;
}

function follow(client: Client, count: LoadCount): void {
  client.on('response', (status: number, _bytes: number, latencyMs: number) => {
    count.response(status, latencyMs, performance.now());
    // It has made all its requests: autocannon's own way to end a client between two requests.
    if (count.closing) client.responseMax = client.reqsMade;
  });
  // After these two events, autocannon sends the next request at once; a client that has finished must not wait for that.
  client.on('timeout', () => {
    count.timeout(performance.now());
    if (count.closing) client.destroy();
  });
  client.on('connError', () => {
    count.connectionError(performance.now());
    if (count.closing) client.destroy();
  });
}
