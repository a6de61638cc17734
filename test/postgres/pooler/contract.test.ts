import { describe } from 'vitest';
import { adapterContract } from '../../contract/adapterContract.js';
import { pooledStage } from '../../contract/adapterStage.js';
import { openKnex } from '../../contract/openKnex.js';
import { openPool } from '../../contract/openPool.js';
import { openPrisma } from '../../contract/openPrisma.js';
import { hasPgBouncer } from '../../support/pgbouncer.js';
import { usePostgres } from '../../support/usePostgres.js';

const postgres = await usePostgres();

describe.skipIf(!hasPgBouncer())('Through PgBouncer in transaction mode', async () => {
  const stage = await pooledStage(postgres, 'transaction', ['immediate']);
  describe('Pool', () => adapterContract(postgres, openPool, stage));
  describe('Knex', () => adapterContract(postgres, openKnex, stage));
  describe('Prisma', () => adapterContract(postgres, openPrisma, stage));
});
