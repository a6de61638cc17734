import { describe } from 'vitest';
import { adapterContract } from '../../contract/adapterContract.js';
import { pooledStage } from '../../contract/adapterStage.js';
import { openKnex } from '../../contract/openKnex.js';
import { openPool } from '../../contract/openPool.js';
import { openPrisma } from '../../contract/openPrisma.js';
import { hasPgBouncer } from '../../support/pgbouncer.js';
import { usePostgres } from '../../support/usePostgres.js';

const postgres = await usePostgres();

// A restart of the server is tested in one mode: PgBouncer answers for a missing server alike in both.
describe.skipIf(!hasPgBouncer()).each([
  ['transaction', ['immediate']],
  ['session', []],
] as const)('Through PgBouncer in %s mode', async (poolMode, restarts) => {
  const stage = await pooledStage(postgres, poolMode, restarts);
  describe('Pool', () => adapterContract(postgres, openPool, stage));
  describe('Knex', () => adapterContract(postgres, openKnex, stage));
  describe('Prisma', () => adapterContract(postgres, openPrisma, stage));
});
