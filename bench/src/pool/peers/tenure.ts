import { type Connector, createPool } from '@tenure/core';
import type { PeerKind } from './peer.js';

/** Answers everything at once. It can do all that the PostgreSQL connector can, so that nothing the engine asks for is left out. */
export const connector: Connector<object> = {
  connect: async () => ({}),
  close: async () => {},
  abort: () => {},
  ping: async () => {},
  isOpen: () => true,
  transactionStatus: () => 'idle',
  reset: async () => ({ rolledBack: false }),
  ref: () => {},
  unref: () => {},
};

/** Tenure with its default policy: health checks on. */
export const tenure: PeerKind = {
  name: 'Tenure',
  open(max) {
    const pool = createPool(connector, { maxConnections: max });
    return {
      name: 'Tenure',
      acquire: () => pool.acquire(),
      release: (connection) => pool.release(connection),
      close: () => pool.drain(),
    };
  },
  stub: () => ({}),
};
