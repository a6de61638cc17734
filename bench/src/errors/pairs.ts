/** What is compared, over the same adapter, and what is to be shown: ratios of requests/s in one run. */
export const PAIRS = [
  { through: 'pool.query()', stock: 'pg.Pool', ours: 'Tenure Pool', least: 8 },
  { through: 'signUp.create()', stock: 'Prisma', ours: 'Prisma + Tenure', least: 3 },
] as const;
