import type { Report } from './report/report.js';

export interface Bench {
  readonly name: string;
  /** What it measures, in a few words. */
  readonly story: string;
  /** About how long it takes. */
  readonly seconds: number;
  readonly quickSeconds: number;
  /** Loaded when it runs. */
  load(): Promise<RunBench>;
}

export type RunBench = (quick: boolean) => Promise<Outcome>;

export interface Outcome {
  readonly report: Report;
  /** The version of the server, where there was one. */
  readonly postgres?: string;
}
