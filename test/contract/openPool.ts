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
        // A lost connection makes this fail as well, but the app needs the first error.
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
