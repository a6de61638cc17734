import { quantile } from '../figures/quantile.js';
import type { LoadJob, LoadResult, Progress } from './loadTypes.js';

const CONFLICT = 409;
/** Statuses of the app for requests that the database has served. */
const ANSWERS = [200, 201, CONFLICT];
/** The app's status when no connection was free in time. */
const GAVE_UP_WAITING = 504;

/** Counts the requests of one pass, and returns when it is time to close. */
export class LoadCount {
  readonly #job: LoadJob;
  readonly #startedAt: number;
  readonly #latenciesMs: number[] = [];
  #conflicts = 0;
  #failed = 0;
  #timedOut = 0;
  #closingAt: number | undefined;
  #answeredWhileOpen = 0;

  constructor(job: LoadJob, now: number) {
    this.#job = job;
    this.#startedAt = now;
  }

  get closing(): boolean {
    return this.#closingAt !== undefined;
  }

  response(status: number, latencyMs: number, now: number): void {
    if (status === CONFLICT) this.#conflicts++;
    if (ANSWERS.includes(status)) this.#latenciesMs.push(latencyMs);
    else if (status === GAVE_UP_WAITING) this.#timedOut++;
    else this.#failed++;
    this.#closeInTime(now);
  }

  timeout(now: number): void {
    this.#timedOut++;
    this.#closeInTime(now);
  }

  connectionError(now: number): void {
    this.#failed++;
    this.#closeInTime(now);
  }

  progress(): Progress {
    return { answered: this.#latenciesMs.length, failed: this.#failed, timedOut: this.#timedOut };
  }

  result(now: number, cpuMs: number): LoadResult {
    this.#close(now);
    const ms = this.#closingAt! - this.#startedAt;
    const sorted = this.#latenciesMs.sort((a, b) => a - b);
    return {
      ...this.progress(),
      conflicts: this.#conflicts,
      perSecond: this.#answeredWhileOpen / (ms / 1_000),
      p50Ms: quantile(sorted, 0.5),
      p99Ms: quantile(sorted, 0.99),
      ms,
      cpuMs,
    };
  }

  #closeInTime(now: number): void {
    const ms = now - this.#startedAt;
    const enough = ms >= this.#job.forMs && this.#latenciesMs.length >= this.#job.untilAnswered;
    if (enough || ms >= this.#job.maxMs) this.#close(now);
  }

  #close(now: number): void {
    if (this.closing) return;
    this.#closingAt = now;
    this.#answeredWhileOpen = this.#latenciesMs.length;
  }
}
