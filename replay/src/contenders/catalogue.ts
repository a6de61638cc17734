import type { OpenDatabase } from './contender.js';

export const PROCESSES = 8;

export type ContenderKey = 'per-request' | 'oversized' | 'stock' | 'tenure';

export interface Contender {
  readonly key: ContenderKey;
  readonly title: string;
  /** What it stands for, in the words of someone who has not seen the code. */
  readonly story: string;
  /** It takes every connection that the server has. */
  readonly exhausts: boolean;
  /** The most connections that each process may open. Asks Tenure's policy, so a bad one is refused here. */
  limit(): Promise<number>;
  /** Loaded in the worker that needs it, and nowhere else. */
  load(): Promise<OpenDatabase>;
}

const OVERSIZED = 50;
const AFFORDABLE = 10;

export const CONTENDERS: readonly Contender[] = [
  {
    key: 'per-request',
    title: 'Knex per request',
    story: 'each request makes a Knex instance of its own, whose connection persists for 60 s and is never used again',
    exhausts: true,
    limit: async () => Infinity,
    load: async () => (await import('./perRequest.js')).perRequest,
  },
  {
    key: 'oversized',
    title: `Knex ${PROCESSES} × ${OVERSIZED}`,
    story: `one stock Knex per process, each with a max of ${OVERSIZED}, which together the server cannot give`,
    exhausts: true,
    limit: async () => OVERSIZED,
    load: async () => (await import('./stock.js')).stock(OVERSIZED),
  },
  {
    key: 'stock',
    title: `Knex ${PROCESSES} × ${AFFORDABLE}`,
    story: `one stock Knex per process, each with a max of ${AFFORDABLE}`,
    exhausts: false,
    limit: async () => AFFORDABLE,
    load: async () => (await import('./stock.js')).stock(AFFORDABLE),
  },
  {
    key: 'tenure',
    title: 'Tenure',
    story: `the same code as Knex ${PROCESSES} × ${AFFORDABLE} plus the one call; its policy comes from the environment`,
    exhausts: false,
    limit: async () => (await import('./tenureLimit.js')).tenureLimit(AFFORDABLE),
    load: async () => (await import('./tenure.js')).withTenure(AFFORDABLE),
  },
];

export function contenderOf(key: ContenderKey): Contender {
  return CONTENDERS.find((contender) => contender.key === key)!;
}

/** The most connections a process may open, among those contenders that stay within a limit. */
export async function highestLimit(keys: readonly ContenderKey[]): Promise<number> {
  const bounded = keys.map(contenderOf).filter(({ exhausts }) => !exhausts);
  return Math.max(1, ...(await Promise.all(bounded.map(({ limit }) => limit()))));
}
