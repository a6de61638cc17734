import { Pool } from '@tenure/core/pg';
import { adapterContract } from '../../contract/adapterContract.js';
import { usePostgres } from '../../support/usePostgres.js';

adapterContract(await usePostgres(), (target, policy) => {
  const pool = new Pool({ ...target, policy });
  return {
    query: (sql) => pool.query(sql),
    async transaction(work) {
      const client = await pool.connect();
      try {
        await client.query('begin');
        const result = await work((sql) => client.query(sql));
        await client.query('commit');
        return result;
      } catch (error) {
        await client.query('rollback');
        throw error;
      } finally {
        client.release();
      }
    },
    stats: () => pool.stats(),
    destroy: () => pool.drain(),
  };
});
