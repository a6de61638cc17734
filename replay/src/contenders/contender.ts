/** One variant of the app: how it serves its route. Everything else of the app is the same for all. */
export interface App {
  /** Does the work of one request. */
  answer(): Promise<Answer>;
  /** Whether a request failed because no connection came free in time. */
  waitedTooLong(error: unknown): boolean;
  close(): Promise<unknown>;
  /** The most connections this process may open, where something limits it. */
  readonly limit: number | null;
  /** The most connections that all processes may open together, where Tenure's budget limits them. */
  budget?(): number | null;
}

export interface Answer {
  status: number;
  body: unknown;
}

export type OpenApp = (url: string, schema: string) => App | Promise<App>;

/** What the app gives up after, in every variant. */
export const ACQUIRE_TIMEOUT_MS = 5_000;
