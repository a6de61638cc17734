/** The pairs that are compared, each over the same adapter, and the targets: ratios of requests/s in one run. */
export const PAIRS = [
  { through: 'pool.query()', stock: 'pg.Pool', ours: 'Tenure Pool', least: 8 },
  { through: 'signUp.create()', stock: 'Prisma', ours: 'Prisma + Tenure', least: 3 },
] as const;
