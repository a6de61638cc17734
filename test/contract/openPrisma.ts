import { PrismaPg } from '@prisma/adapter-pg';
import { tenure } from '@tenure/prisma';
import { PrismaClient } from '../prisma/generated/client.js';
import type { OpenAdapter } from './adapterContract.js';

/** Prisma, extended by Tenure. */
export const openPrisma: OpenAdapter = (target, policy) => {
  const prisma = new PrismaClient({ adapter: new PrismaPg({ ...target }) }).$extends(tenure(policy));
  return {
    query: (sql) => prisma.$executeRawUnsafe(sql),
    transaction: (work) => prisma.$transaction((tx) => work((sql) => tx.$executeRawUnsafe(sql))),
    stats: () => prisma.$pool.stats(),
    destroy: () => prisma.$disconnect(),
  };
};
