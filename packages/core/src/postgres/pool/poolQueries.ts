import type pg from 'pg';
import type { Pool as Engine } from '../../pool/pool.js';
import { connectionOf, type PgConnection } from '../connection.js';
import type { Read, ReadHost, SharedReads } from '../pipeline/sharedReads.js';
import { withCallerStack } from './pgPoolErrors.js';
import { noteOutcome, runQuery, sendAsPool } from './query.js';

type Client = pg.PoolClient;

/** The steps of a `Pool` at a checkout and a return. */
interface Lending {
  acquire(): Promise<Client>;
  handedOut(client: Client): void;
  takeBack(client: Client, connection: PgConnection, error: unknown): void;
  /** The error in the form for callers. */
  explained(error: unknown): unknown;
  /** Whether there are listeners to checkouts: they may send queries on a client at any time. */
  isWatched(): boolean;
}

/** The method `query` of a `Pool`: each query has a client alone, or shares one if the policy allows that. */
export class PoolQueries {
  readonly #lending: Lending;
  /** `undefined` unless the policy allows reads to share connections. */
  readonly #reads: SharedReads | undefined;
  readonly #host: ReadHost<Client>;

  constructor(engine: Engine<Client>, reads: SharedReads | undefined, lending: Lending) {
    this.#lending = lending;
    this.#reads = reads;
    this.#host = {
      engine,
      begun(client) {
        const { borrower } = connectionOf(client);
        const { isRefused } = borrower;
        borrower.begin();
        borrower.isRefused = isRefused;
        lending.handedOut(client);
      },
      send: (client, { query, values }, callback) => sendAsPool(connectionOf(client), query, values, callback),
      release(client, error) {
        const connection = connectionOf(client);
        noteOutcome(connection, error);
        lending.takeBack(client, connection, error);
      },
      // The promise rejects with the error, as for any query.
      refused: (error) => error,
      runAlone: async ({ query, values }, client) => this.#runAlone(client ?? (await lending.acquire()), query, values),
    };
  }

  async run(query: unknown, values: unknown): Promise<unknown> {
    const { acquire, explained } = this.#lending;
    try {
      const read = this.#reads === undefined ? undefined : this.#sharable(this.#reads, query, values);
      if (read) return await this.#reads!.run(read, this.#host);
      return await this.#runAlone(await acquire(), query, values);
    } catch (error) {
      throw withCallerStack(explained(error));
    }
  }

  #sharable(reads: SharedReads, query: unknown, values: unknown): Read | undefined {
    if (!this.#host.engine.sharing!.isWanted || this.#lending.isWatched()) return undefined;
    return reads.accept(query, values);
  }

  /** Runs a query on a client that was checked out for it. */
  #runAlone(client: Client, query: unknown, values: unknown): Promise<unknown> {
    const { handedOut, takeBack, isWatched } = this.#lending;
    const connection = connectionOf(client);
    const { borrower } = connection;
    // Only this query is sent, since no one else has the client. A listener to checkouts gets it as well, and may send more.
    const wasRefused = borrower.isRefused && !isWatched();
    borrower.begin();
    handedOut(client);
    return new Promise((resolve, reject) => {
      runQuery(client, query, values, (error, result) => {
        noteOutcome(connection, error);
        takeBack(client, connection, error);
        if (error) reject(error);
        else resolve(result);
      });
      borrower.isRefused = wasRefused;
    });
  }
}
