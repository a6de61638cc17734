/** Contenders over the same library. The ratios of each are to the first, which is what people use. */
export const FAMILIES = {
  pg: [
    'pg.Pool',
    'Tenure Pool',
    'Tenure Pool, writes too',
    'raw clients, unnamed',
    'raw clients, named',
    'postgres.js',
  ],
  Knex: ['Knex', 'Knex + select 1', 'Knex + Tenure', 'Knex + Tenure, writes too'],
  Prisma: ['Prisma', 'Prisma + name generator', 'Prisma + Tenure'],
} as const;

export type Family = keyof typeof FAMILIES;
export type Name = (typeof FAMILIES)[Family][number];

export const FAMILY_KEYS = Object.keys(FAMILIES) as Family[];
