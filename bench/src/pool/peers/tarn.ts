import { Pool } from 'tarn';
import type { Peer, PeerKind } from './peer.js';

/** Knex's pool with its defaults. */
export const tarn: PeerKind = { name: 'tarn', open: (max) => open('tarn', max), stub: () => ({}) };

/** tarn as Knex uses it: with an async `validate`. */
export const tarnValidating: PeerKind = {
  name: 'tarn, async validate',
  open: (max) => open('tarn, async validate', max, { validate: async () => true }),
  stub: () => ({}),
};

/** tarn accepts a promise from `validate`, but its types do not say so. */
type Validate = { validate: () => Promise<boolean> };

type Options = ConstructorParameters<typeof Pool<object>>[0];

function open(name: string, max: number, more?: Validate): Peer {
  const options = { create: async () => ({}), destroy: () => {}, min: 0, max, ...more };
  const pool = new Pool<object>(options as unknown as Options);
  return {
    name,
    acquire: () => pool.acquire().promise,
    release: (connection) => void pool.release(connection),
    close: () => pool.destroy(),
  };
}
