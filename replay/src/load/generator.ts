import type { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import autocannon from 'autocannon';
import { serve } from '../processes/serve.js';
import { LoadCount } from './loadCount.js';
import type { LoadJob, LoadResult, Progress } from './loadTypes.js';

/** The load generator's process: autocannon, whose clients run until the time is up, and then finish their requests. */

export interface GeneratorFunctions {
  /** Starts a load, and resolves when its warm-up is over, while the load goes on. */
  warmUp(job: LoadJob): Promise<void>;
  /** Runs a load, or the one that was warmed up, to its end. */
  run(job: LoadJob): Promise<LoadResult>;
}

const PROGRESS_EVERY_MS = 500;

const main = serve<GeneratorFunctions, { progress(progress: Progress): void }>({ warmUp, run });
let running: { readonly counts: Counts; readonly ended: Promise<void> } | undefined;

async function warmUp(job: LoadJob): Promise<void> {
  running = begin(job);
  await Promise.race([running.counts.warm, running.ended]);
  if (running.counts.isWarmingUp) throw new Error('The load ended before its warm-up was over.');
}

async function run(job: LoadJob): Promise<LoadResult> {
  const { counts, ended } = running ?? begin(job);
  await ended;
  running = undefined;
  return counts.result();
}

function begin(job: LoadJob) {
  const counts = new Counts(job);
  const report = setInterval(() => main.progress.asEvent(counts.current.progress()), PROGRESS_EVERY_MS);
  return { counts, ended: send(job, counts).finally(() => clearInterval(report)) };
}

async function send(job: LoadJob, counts: Counts): Promise<void> {
  const { joining } = job;
  await Promise.all([
    sendRequests(job, job, counts),
    joining && sleep(joining.afterMs).then(() => sendRequests(job, joining, counts)),
  ]);
}

/** What is counted: first the warm-up, if there is one, and then the load that is measured. */
class Counts {
  readonly #job: LoadJob;
  #count: LoadCount;
  #isWarmingUp: boolean;
  #cpuBefore = process.cpuUsage();
  #warmed = () => {};
  /** Resolves when the warm-up is over. */
  readonly warm = new Promise<void>((resolve) => {
    this.#warmed = resolve;
  });

  constructor(job: LoadJob) {
    this.#job = job;
    this.#isWarmingUp = job.warmUp !== undefined;
    this.#count = new LoadCount({ ...job, ...(job.warmUp && { forMs: 0, ...job.warmUp }) }, performance.now());
  }

  get current(): LoadCount {
    return this.#count;
  }

  get isWarmingUp(): boolean {
    return this.#isWarmingUp;
  }

  /** Called after each request: ends the warm-up in its time. @returns whether the clients send no more requests */
  advance(): boolean {
    if (!this.#isWarmingUp || !this.#count.closing) return this.#count.closing;
    this.#isWarmingUp = false;
    this.#cpuBefore = process.cpuUsage();
    this.#count = new LoadCount(this.#job, performance.now());
    this.#warmed();
    return false;
  }

  result(): LoadResult {
    const { user, system } = process.cpuUsage(this.#cpuBefore);
    return this.#count.result(performance.now(), (user + system) / 1_000);
  }
}

async function sendRequests(job: LoadJob, { urls, clients }: Pick<LoadJob, 'urls' | 'clients'>, counts: Counts) {
  const longestMs = (job.warmUp?.maxMs ?? 0) + job.maxMs + job.clientTimeoutMs;
  await autocannon({
    // Its types allow one URL only; it spreads its clients evenly over several.
    url: urls as unknown as string,
    method: job.method,
    connections: clients,
    ...(job.rate !== undefined && { overallRate: job.rate }),
    timeout: job.clientTimeoutMs / 1_000,
    maxOverallRequests: job.maxRequests,
    duration: Math.ceil(longestMs / 1_000) + 1,
    sampleInt: 250,
    setupClient: (client) => follow(client as unknown as Client, counts),
  });
}

/** Members of autocannon's client that its types lack. */
interface Client extends EventEmitter {
  reqsMade: number;
  responseMax: number;
  destroy(): void;
}

function follow(client: Client, counts: Counts): void {
  client.on('response', (status: number, _bytes: number, latencyMs: number) => {
    counts.current.response(status, latencyMs, performance.now());
    // It has made all its requests: autocannon's own way to end a client between two requests.
    if (counts.advance()) client.responseMax = client.reqsMade;
  });
  // After these two events, autocannon sends the next request at once; a client that has finished must not wait for that.
  client.on('timeout', () => {
    counts.current.timeout(performance.now());
    if (counts.advance()) client.destroy();
  });
  client.on('connError', () => {
    counts.current.connectionError(performance.now());
    if (counts.advance()) client.destroy();
  });
}
