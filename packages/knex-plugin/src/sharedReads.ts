import type { Pool } from '@tenure/core';
import { connectionOf, type ReadHost, type SharedReads } from '@tenure/core/adapter';
import type { Connection, Dialect } from './dialect.js';
import { toKnexError } from './translateError.js';

/** The members of a connection that Knex's runner uses for one query. */
interface Lease {
  readonly __knexUid: string;
  query(config: Config, callback: Callback): void;
}

type Callback = (error: unknown, result?: unknown) => void;
type Config = { readonly text: string; readonly values: readonly unknown[] };

/** The members of Knex's runner and builder that are used here. They are internal to Knex. */
interface Runner {
  connection: unknown;
  ensureConnection?(run: (runner: Runner, parameters?: unknown) => unknown, parameters?: unknown): Promise<unknown>;
}
interface Builder {
  readonly _method?: string;
  readonly _connection?: unknown;
  readonly _timeout?: number;
}

/** Builders whose one query is a `SELECT`. */
const READS = ['select', 'first', 'pluck'];

let leases = 0;

/** Makes the reads of one Knex share connections. */
export class KnexReads {
  readonly #reads: SharedReads;
  readonly #host: ReadHost<Connection>;

  constructor(reads: SharedReads, engine: Pool<Connection>) {
    this.#reads = reads;
    this.#host = {
      engine,
      begun() {},
      send: (connection, { query }, callback) => (connection as unknown as Lease).query(query as Config, callback),
      release(connection, error) {
        // Its caller has stopped waiting.
        if (error) connectionOf(connection).borrower.abandon();
        engine.release(connection, error);
      },
      refused: (error) => new NotAcquired(toKnexError(error)),
      async runAlone({ query }, given) {
        const connection = given ?? (await acquired(engine.acquire(), toKnexError));
        return new Promise((resolve, reject) => {
          (connection as unknown as Lease).query(query as Config, (error, result) => {
            engine.release(connection);
            if (error) reject(error);
            else resolve(result);
          });
        });
      },
    };
  }

  /**
   * Makes a runner whose builder is a read acquire its connection only when the query is known, since it may need none of its
   * own. All others (writes, schema, transactions, streams, time limits) stay as they are.
   */
  lend<R extends object>(given: R, builder: object, client: Dialect): R {
    const runner = given as R & Runner;
    const { _method, _connection, _timeout } = builder as Builder;
    const isRead = READS.includes(_method ?? '') && !_connection && !_timeout;
    if (!isRead || !this.#reads.isOn || runner.ensureConnection === undefined) return given;
    const original = runner.ensureConnection;
    runner.ensureConnection = async (run, parameters) => {
      const isWanted = client.pool !== undefined && this.#host.engine.sharing!.isWanted;
      if (parameters !== undefined || runner.connection !== undefined || !isWanted)
        return original.call(runner, run, parameters);
      runner.connection = this.#leaseFor(client);
      try {
        return await run(runner);
      } catch (error) {
        throw error instanceof NotAcquired ? error.reason : error;
      }
    };
    return given;
  }

  #leaseFor(client: Dialect): Lease {
    return {
      __knexUid: `shared${++leases}`,
      query: (config, callback) => {
        const read = this.#reads.accept(config, undefined);
        const answer = read ? this.#reads.run(read, this.#host) : alone(client, config);
        answer.then((result) => callback(undefined, result), callback);
      },
    };
  }
}

/**
 * No connection was acquired. Knex's runner treats a timeout of the acquire as one of the query, and writes the query in front of
 * any message. So the runner gets this error, and its caller the reason.
 */
class NotAcquired extends Error {
  constructor(readonly reason: unknown) {
    super(reason instanceof Error ? reason.message : String(reason));
  }
}

async function acquired(
  connection: Promise<Connection>,
  translate = (error: unknown): unknown => error,
): Promise<Connection> {
  try {
    return await connection;
  } catch (error) {
    throw new NotAcquired(translate(error));
  }
}

/** Runs a query as Knex would have run it. */
async function alone(client: Dialect, config: Config): Promise<unknown> {
  const connection = await acquired(client.acquireConnection());
  try {
    return await new Promise((resolve, reject) => {
      (connection as unknown as Lease).query(config, (error, result) => (error ? reject(error) : resolve(result)));
    });
  } finally {
    await client.releaseConnection(connection);
  }
}
