import type { Report } from './report/report.js';

export interface Bench {
  readonly name: string;
  /** The subject of the measurement, in a few words. */
  readonly story: string;
  /** About how long it takes. */
  readonly seconds: number;
  readonly quickSeconds: number;
  /** Loads the benchmark when it runs, so that the others need not be loaded. */
  load(): Promise<RunBench>;
}

export type RunBench = (quick: boolean) => Promise<Outcome>;

export interface Outcome {
  readonly report: Report;
  /** The version of the server, if the benchmark used one. */
  readonly postgres?: string;
}
