import { Pool } from 'tarn';
import { MAX, type Peer } from './peer.js';

/** Knex's pool, as it is by default. */
export function tarn(): Peer {
  const pool = new Pool<object>({ create: async () => ({}), destroy: () => {}, min: 0, max: MAX });
  return {
    name: 'tarn',
    acquire: () => pool.acquire().promise,
    release: (connection) => void pool.release(connection),
    close: () => pool.destroy(),
  };
}
