import { createPool } from 'generic-pool';
import { MAX, type Peer } from './peer.js';

export function genericPool(): Peer {
  const pool = createPool({ create: async () => ({}), destroy: async () => {} }, { max: MAX });
  return {
    name: 'generic-pool',
    acquire: async () => pool.acquire(),
    release: (connection) => void pool.release(connection),
    close: async () => {
      await pool.drain();
      await pool.clear();
    },
  };
}
