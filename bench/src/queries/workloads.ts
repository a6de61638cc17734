export type WorkloadKey = 'lookup' | 'join' | 'insert' | 'transaction';

export const WORKLOADS: Record<WorkloadKey, { title: string; story: string }> = {
  lookup: { title: 'Key lookup', story: 'one row by its primary key' },
  join: {
    title: 'Join',
    story:
      'the last ten orders of a customer with the name, by index; with Prisma findMany with its relation, two queries',
  },
  insert: { title: 'Insert', story: 'one row, its key returned' },
  transaction: { title: 'Transaction', story: 'begin, select, update, insert, commit' },
};

export const WORKLOAD_KEYS = Object.keys(WORKLOADS) as WorkloadKey[];

/** One operation of each workload, for one contender. */
export type Operations = Record<WorkloadKey, (caller: number) => Promise<unknown>>;

export interface Contender {
  readonly name: string;
  readonly operations: Operations;
  /** Callers at the same time. */
  readonly callers: number;
  close(): Promise<unknown>;
}

/** The most connections of each contender. */
export const MAX = 10;
/** Five times as many callers as connections, so that there is always a line. */
export const CALLERS = 50;
/** Longer than the pause between two turns of a contender, so that no connection is closed in between. */
export const IDLE_MS = 30 * 60_000;
