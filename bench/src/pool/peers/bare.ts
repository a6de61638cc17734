import type { PeerKind } from './peer.js';

const NAME = 'no pool';

/** A resolved promise in the place of a pool: the cost of the callers' loop, which all other figures contain too. */
export const bare: PeerKind = {
  name: NAME,
  open() {
    const connection = {};
    return { name: NAME, acquire: () => Promise.resolve(connection), release: () => {}, close: async () => {} };
  },
  stub: () => ({}),
};
