import type { Knex } from 'knex';

/** How one variant of the app uses Knex. Everything else of the app is the same for all. */
export interface AppDatabase {
  forRequest(): Knex;
  close(): Promise<unknown>;
  /** The most connections this process may open, where something limits it. */
  readonly limit: number | null;
}

export type OpenDatabase = (url: string) => AppDatabase;

/** What the app gives up after, in every variant. */
export const ACQUIRE_TIMEOUT_MS = 5_000;

export function appConfig(url: string, max: number): Knex.Config {
  return {
    client: 'pg',
    connection: url,
    acquireConnectionTimeout: ACQUIRE_TIMEOUT_MS,
    pool: { min: 0, max },
  };
}
