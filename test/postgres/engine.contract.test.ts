import { createPool } from '@tenure/core';
import { pgConnector } from '@tenure/core/pg';
import { adapterContract } from '../contract/adapterContract.js';
import { usePostgres } from '../support/usePostgres.js';

adapterContract(await usePostgres(), (target, policy) => {
  const pool = createPool(pgConnector({ ...target }), policy);
  return {
    query: (sql) => pool.use((client) => client.query(sql)),
    transaction: (work) =>
      pool.use(async (client) => {
        await client.query('begin');
        try {
          const result = await work((sql) => client.query(sql));
          await client.query('commit');
          return result;
        } catch (error) {
          await client.query('rollback');
          throw error;
        }
      }),
    stats: () => pool.stats(),
    destroy: () => pool.drain(),
  };
});
