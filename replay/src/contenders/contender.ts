/** One variant of the app: how it serves its route. All the rest of the app is the same for all. */
export interface App {
  /** Does the work of one request. */
  answer(): Promise<Answer>;
  /** Whether a request failed because no connection came free in time. */
  waitedTooLong(error: unknown): boolean;
  close(): Promise<unknown>;
  /** The most connections that this process may open; null without a limit. */
  readonly limit: number | null;
  /** The most connections that all processes may open together by Tenure's budget; null without one. */
  budget?(): number | null;
}

export interface Answer {
  status: number;
  body: unknown;
}

export type OpenApp = (url: string, schema: string) => App | Promise<App>;

/** Time limit of an acquire, the same in every variant. */
export const ACQUIRE_TIMEOUT_MS = 5_000;
