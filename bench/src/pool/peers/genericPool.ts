import { createPool } from 'generic-pool';
import type { PeerKind } from './peer.js';

export const genericPool: PeerKind = {
  name: 'generic-pool',
  open(max) {
    const pool = createPool({ create: async () => ({}), destroy: async () => {} }, { max });
    return {
      name: 'generic-pool',
      // Its types declare less than the promise that it returns.
      acquire: () => pool.acquire() as Promise<object>,
      release: (connection) => void pool.release(connection),
      close: async () => {
        await pool.drain();
        await pool.clear();
      },
    };
  },
  stub: () => ({}),
};
