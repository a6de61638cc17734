import { type Pool as Engine, TenureClosedError, TenureUsageError } from '@tenure/core';
import { connectionOf, type Lender, lenderOf } from '@tenure/core/adapter';
import type { Knex } from 'knex';
import type { Connection, Dialect } from './dialect.js';
import type { Lending } from './pendingAcquire.js';

/** Settings of Knex about how connections are opened and set up. A pool that others use too decides that itself. */
const OF_THE_POOL = ['connection', 'searchPath', 'pool', 'acquireConnectionTimeout'] as const;

/**
 * The app's pool that a Knex config names as its `connectionPool`; `undefined` without one.
 *
 * @throws TenureUsageError when it is not a `Pool` of Tenure, or the config has settings that only a pool of its own could follow
 */
export function sharedPoolOf(config: Knex.Config): Lender<Connection> | undefined {
  const { connectionPool } = config;
  if (!connectionPool) return undefined;
  const lender = lenderOf<Connection>(connectionPool);
  if (lender === undefined) {
    throw new TenureUsageError(
      "The `connectionPool` of this Knex config is no Pool of '@tenure/core/pg'. Give Knex one of those, or a `connection` instead.",
    );
  }
  const useless = OF_THE_POOL.filter((name) => config[name] !== undefined);
  if (useless.length === 0) return lender;
  throw new TenureUsageError(
    `This Knex config has a connectionPool and ${useless.join(', ')}. The pool opens the connections and sets them up: ` +
      'give it the connection, its policy, and an `onConnect` for what each session needs.',
  );
}

/** The connections that one Knex has borrowed from a pool that others use as well. Destroying the Knex leaves the pool open. */
export class Borrowings implements Lending<Connection> {
  readonly #client: Dialect;
  readonly #lender: Lender<Connection>;
  readonly #held = new Set<Connection>();
  #waiting = 0;
  #drained: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;

  constructor(client: Dialect, lender: Lender<Connection>) {
    this.#client = client;
    this.#lender = lender;
  }

  get engine(): Engine<Connection> {
    return this.#lender.engine;
  }

  async acquire(): Promise<Connection> {
    if (this.#drained) throw new TenureClosedError('This Knex is destroyed, or about to be.', this.engine.figures);
    this.#waiting++;
    try {
      const connection = await this.#lender.acquire();
      this.#held.add(connection);
      prepareForKnex(this.#client, connection);
      return connection;
    } finally {
      this.#waiting--;
      this.#finish();
    }
  }

  release(connection: Connection): void {
    if (!this.#held.delete(connection)) {
      throw new TenureUsageError('Released a connection that this Knex does not hold, or has released before.');
    }
    this.#lender.release(connection);
    this.#finish();
  }

  /** Serves the callers in line, and resolves when all connections are back. */
  drain(): Promise<void> {
    if (this.#drained === undefined) {
      let resolve!: () => void;
      const promise = new Promise<void>((done) => {
        resolve = done;
      });
      this.#drained = { promise, resolve };
      this.#finish();
    }
    return this.#drained.promise;
  }

  #finish(): void {
    if (this.#waiting + this.#held.size === 0) this.#drained?.resolve();
  }
}

let lastUid = 0;

/** Sets what Knex sets when it opens a connection itself: a name, and the server's version, which decides what SQL Knex builds. */
function prepareForKnex(client: Dialect, connection: Connection): void {
  connection.__knexUid ??= `__knexUid_shared${++lastUid}`;
  const version = connectionOf(connection).parameters.get('server_version');
  if (!client.version && version !== undefined) client.version = version.split(' ')[0]!;
}
