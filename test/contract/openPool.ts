import { Pool } from '@tenure/core/pg';
import type { OpenAdapter } from './adapterContract.js';

/** The drop-in `pg.Pool`. */
export const openPool: OpenAdapter = (target, policy) => {
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
        // On a connection that is lost this fails as well; what the app wants to hear is what went wrong first.
        await client.query('rollback').catch(() => {});
        throw error;
      } finally {
        client.release();
      }
    },
    stats: () => pool.stats(),
    destroy: () => pool.drain(),
    watchLending: (lent, returned) => void pool.on('acquire', lent).on('release', (_, client) => returned(client)),
  };
};
