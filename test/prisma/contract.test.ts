import { PrismaPg } from '@prisma/adapter-pg';
import { tenure } from '@tenure/prisma';
import { adapterContract } from '../contract/adapterContract.js';
import { usePostgres } from '../support/usePostgres.js';
import { PrismaClient } from './generated/client.js';

adapterContract(await usePostgres(), (target, policy) => {
  const prisma = new PrismaClient({ adapter: new PrismaPg({ ...target }) }).$extends(tenure(policy));
  return {
    query: (sql) => prisma.$executeRawUnsafe(sql),
    transaction: (work) => prisma.$transaction((tx) => work((sql) => tx.$executeRawUnsafe(sql))),
    stats: () => prisma.$pool.stats(),
    destroy: () => prisma.$disconnect(),
  };
});
