import type { OpenApp } from './contender.js';
import type { RouteKey } from './routes.js';

export const PROCESSES = 8;

export type ContenderKey =
  | 'per-request'
  | 'oversized'
  | 'stock'
  | 'pgbouncer'
  | 'tenure'
  | 'tenure-no-budget'
  | 'stock-deployment'
  | 'tenure-deployment'
  | 'prisma'
  | 'prisma-pgbouncer'
  | 'prisma-tenure';

export interface Contender {
  readonly key: ContenderKey;
  readonly title: string;
  /** What it stands for, in words for readers who have not seen the code. */
  readonly story: string;
  readonly route: RouteKey;
  /** Whether its pool is Tenure's: its limit may come from the environment, and its counts are asserted. */
  readonly isTenure: boolean;
  /** Whether it takes every connection that the server has. */
  readonly exhausts: boolean;
  /** Whether it answers so little that its passes are bounded in time alone. */
  readonly starves: boolean;
  /** Whether the app connects through a PgBouncer in transaction mode. */
  readonly pooled: boolean;
  /** Whether only benchmarks run it, because PgBouncer may not be installed, or because the replay has enough contenders. */
  readonly benchOnly: boolean;
  /** Whether the number of processes doubles in mid-pass, as in a rolling deployment. */
  readonly doubles: boolean;
  /**
   * The most connections that each process may open, or that PgBouncer may open for each. Reads Tenure's policy, so that a bad
   * one is refused here.
   */
  limit(): Promise<number>;
  /** Loaded in the worker that needs it only. */
  load(): Promise<OpenApp>;
}

const OVERSIZED = 50;
const AFFORDABLE = 10;

const KNEX = {
  route: 'orders',
  isTenure: false,
  exhausts: false,
  starves: false,
  pooled: false,
  benchOnly: false,
  doubles: false,
} as const;
const PRISMA = { ...KNEX, route: 'sign-ups' } as const;
const DEPLOYMENT = { ...KNEX, route: 'deployment', doubles: true } as const;
const stockLimit = async () => AFFORDABLE;
const tenureLimit = async () => (await import('./tenureLimit.js')).tenureLimit(AFFORDABLE);
const pooledLimit = async () => (await import('./tenureLimit.js')).limitInBudget(AFFORDABLE, PROCESSES);
const POOLED_STORY = `each with a max of ${OVERSIZED}, through a PgBouncer that opens as many connections as the processes with Tenure may`;

export const CONTENDERS: readonly Contender[] = [
  {
    ...KNEX,
    key: 'per-request',
    title: 'Knex per request',
    story: 'each request makes a Knex instance of its own, whose connection persists for 60 s and is never used again',
    exhausts: true,
    starves: true,
    limit: async () => Infinity,
    load: async () => (await import('./perRequest.js')).perRequest,
  },
  {
    ...KNEX,
    key: 'oversized',
    title: `Knex ${PROCESSES} × ${OVERSIZED}`,
    story: `one stock Knex per process, each with a max of ${OVERSIZED}, which together the server cannot give`,
    exhausts: true,
    starves: true,
    limit: async () => OVERSIZED,
    load: async () => (await import('./stock.js')).stock(OVERSIZED),
  },
  {
    ...KNEX,
    key: 'stock',
    title: `Knex ${PROCESSES} × ${AFFORDABLE}`,
    story: `one stock Knex per process, each with a max of ${AFFORDABLE}`,
    limit: stockLimit,
    load: async () => (await import('./stock.js')).stock(AFFORDABLE),
  },
  {
    ...KNEX,
    key: 'pgbouncer',
    title: `Knex ${PROCESSES} × ${OVERSIZED}, PgBouncer`,
    story: `one stock Knex per process, ${POOLED_STORY}`,
    pooled: true,
    benchOnly: true,
    limit: pooledLimit,
    load: async () => (await import('./stock.js')).stock(OVERSIZED),
  },
  {
    ...KNEX,
    key: 'tenure',
    title: 'Tenure',
    story: `the same code as Knex ${PROCESSES} × ${AFFORDABLE} plus the one call; its policy comes from the environment`,
    isTenure: true,
    limit: tenureLimit,
    load: async () => (await import('./tenure.js')).withTenure(AFFORDABLE),
  },
  {
    ...KNEX,
    key: 'tenure-no-budget',
    title: 'Tenure',
    story: 'the same without a budget: each process may have its maximum',
    isTenure: true,
    benchOnly: true,
    limit: tenureLimit,
    load: async () => (await import('./tenure.js')).withTenure(AFFORDABLE, { budget: false }),
  },
  {
    ...DEPLOYMENT,
    key: 'stock-deployment',
    title: `Knex ${PROCESSES}, then ${2 * PROCESSES} × ${AFFORDABLE}`,
    story: `one stock Knex per process, each with a max of ${AFFORDABLE}: the server can give that to ${PROCESSES} processes, and not to ${2 * PROCESSES}`,
    exhausts: true,
    starves: true,
    limit: stockLimit,
    load: async () => (await import('./stock.js')).stock(AFFORDABLE),
  },
  {
    ...DEPLOYMENT,
    key: 'tenure-deployment',
    title: 'Tenure',
    story: 'the same code plus the one call; the new processes find the budget in use, and get their shares of it',
    isTenure: true,
    limit: tenureLimit,
    load: async () => (await import('./tenure.js')).withTenure(AFFORDABLE),
  },
  {
    ...PRISMA,
    key: 'prisma',
    title: `Prisma ${PROCESSES} × ${AFFORDABLE}`,
    story: `one stock Prisma client per process, each with a max of ${AFFORDABLE}; its pool closes a connection after every error`,
    starves: true,
    limit: stockLimit,
    load: async () => (await import('./prisma.js')).stockPrisma(AFFORDABLE),
  },
  {
    ...PRISMA,
    key: 'prisma-pgbouncer',
    title: `Prisma ${PROCESSES} × ${OVERSIZED}, PgBouncer`,
    story: `one stock Prisma client per process, ${POOLED_STORY}`,
    starves: true,
    pooled: true,
    benchOnly: true,
    limit: pooledLimit,
    load: async () => (await import('./prisma.js')).stockPrisma(OVERSIZED),
  },
  {
    ...PRISMA,
    key: 'prisma-tenure',
    title: 'Prisma + Tenure',
    story: `the same code as Prisma ${PROCESSES} × ${AFFORDABLE} plus the one call; its policy comes from the environment`,
    isTenure: true,
    limit: tenureLimit,
    load: async () => (await import('./prismaTenure.js')).prismaWithTenure(AFFORDABLE),
  },
];

export function contenderOf(key: ContenderKey): Contender {
  return CONTENDERS.find((contender) => contender.key === key)!;
}

export function routeOf(key: ContenderKey): RouteKey {
  return contenderOf(key).route;
}

export function processesOf(key: ContenderKey): number {
  return contenderOf(key).doubles ? 2 * PROCESSES : PROCESSES;
}

/** The most connections of a process, among those contenders that stay within a limit. */
export async function highestLimit(keys: readonly ContenderKey[]): Promise<number> {
  const bounded = keys.map(contenderOf).filter(({ exhausts }) => !exhausts);
  return Math.max(1, ...(await Promise.all(bounded.map(({ limit }) => limit()))));
}
