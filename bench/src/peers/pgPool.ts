import { EventEmitter } from 'node:events';
import PgPool from 'pg-pool';
import { MAX, type Peer } from './peer.js';

/** As much of `pg`'s client as pg-pool looks at. */
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

export function pgPool(): Peer {
  const pool = new PgPool({ max: MAX, Client: StubClient } as object);
  return {
    name: 'pg-pool',
    acquire: () => pool.connect(),
    release: (connection) => (connection as { release(): void }).release(),
    close: () => pool.end(),
  };
}
