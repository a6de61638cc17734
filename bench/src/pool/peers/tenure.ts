import { type Connector, createPool } from '@tenure/core';
import type { PeerKind } from './peer.js';

/** Answers everything at once. It has all functions of the PostgreSQL connector, so that the engine leaves nothing out. */
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

/** Tenure with its default policy, and so with checks. */
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
