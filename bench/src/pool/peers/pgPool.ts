import { EventEmitter } from 'node:events';
import PgPool from 'pg-pool';
import type { PeerKind } from './peer.js';

/** The part of `pg`'s client that pg-pool uses. */
class StubClient extends EventEmitter {
  readonly _queryable = true;
  readonly _ending = false;

  connect(done: () => void): void {
    setImmediate(done);
  }

  end(done?: () => void): void {
    done?.();
  }

  ref(): void {}

  unref(): void {}
}

export const pgPool: PeerKind = {
  name: 'pg-pool',
  open(max) {
    const pool = new PgPool({ max, Client: StubClient } as object);
    return {
      name: 'pg-pool',
      acquire: () => pool.connect(),
      release: (connection) => (connection as { release(): void }).release(),
      close: () => pool.end(),
    };
  },
  stub: () => new StubClient(),
};
