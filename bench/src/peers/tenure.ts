import { type Connector, createPool } from '@tenure/core';
import { MAX, type Peer } from './peer.js';

/** Answers everything at once. It can do all that the PostgreSQL connector can, so that nothing the engine asks for is left out. */
const stub: Connector<object> = {
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
export function tenure(): Peer {
  const pool = createPool(stub, { maxConnections: MAX });
  return {
    name: 'Tenure',
    acquire: () => pool.acquire(),
    release: (connection) => pool.release(connection),
    close: () => pool.drain(),
  };
}
