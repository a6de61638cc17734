import { PrismaPg } from '@prisma/adapter-pg';
import knex from 'knex';
import pg from 'pg';
import { PrismaClient } from '../prisma/generated/client.js';
import type { Target } from './adapterContract.js';

/** Stock `pg`, Knex and Prisma in the same place, for comparison. */
export interface Stock {
  query(sql: string): Promise<unknown>;
  destroy(): Promise<unknown>;
}

export type OpenStock = (target: Target, max: number) => Stock;

export const openStockPool: OpenStock = (target, max) => {
  const pool = new pg.Pool({ ...target, max });
  pool.on('error', () => {});
  return { query: (sql) => pool.query(sql), destroy: () => pool.end() };
};

export const openStockKnex: OpenStock = (target, max) => {
  const db = knex({ client: 'pg', connection: { ...target }, pool: { min: 0, max } });
  return { query: (sql) => Promise.resolve(db.raw(sql)), destroy: () => db.destroy() };
};

export const openStockPrisma: OpenStock = (target, max) => {
  const prisma = new PrismaClient({ adapter: new PrismaPg({ ...target, max }) });
  return { query: (sql) => prisma.$executeRawUnsafe(sql), destroy: () => prisma.$disconnect() };
};
