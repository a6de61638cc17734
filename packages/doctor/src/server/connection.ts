import pg from 'pg';
import pgpass from 'pgpass';
import type { ServerFacts } from '../sample/sample.js';
import { ConnectionFailure, failureOf, isEncryptionOffer, NO_PASSWORD } from './failures.js';
import { readOnly, SERVER, VERSION } from './queries.js';
import { type Ask, OWN_NAME } from './reader.js';
import type { Encryption, Target } from './target.js';

const OLDEST = 140_000;
const ANSWER_WITHIN_MS = 3_000;
const END_WITHIN_MS = 500;

export interface ConnectOptions {
  /** Whether a superuser may take a slot that is reserved for superusers. */
  readonly reserved: boolean;
  /** Resolves to null without a terminal. */
  askPassword(user: string): Promise<string | null>;
}

type ServerRow = ServerFacts & { backend: number; used: number; plansFrom: string | null };

/** The doctor's one session. It changes nothing: every query is in a read-only transaction. */
export class Connection {
  readonly server: ServerFacts;
  /** The quoted schema of pg_stat_statements, if that counts plans. */
  readonly plansFrom: string | null;
  /** The number of transactions that it has run. */
  transactions = 0;
  readonly #client: pg.Client;
  readonly #target: Target;

  constructor(client: pg.Client, target: Target, server: ServerFacts, plansFrom: string | null) {
    this.#client = client;
    this.#target = target;
    this.server = server;
    this.plansFrom = plansFrom;
    this.transactions = 2;
  }

  /**
   * Runs the queries in one transaction, and resolves to the rows of each.
   *
   * @throws {ConnectionFailure}
   */
  async read(...questions: string[]): Promise<unknown[][][]> {
    try {
      const rows = await askOver(this.#client, this.server.versionNumber)(...questions);
      this.transactions++;
      return rows;
    } catch (error) {
      throw failureOf(error, this.#target, true);
    }
  }

  close(): void {
    close(this.#client);
  }
}

/** Opens connections to one target. It keeps which encryption the server offers, and the password, for later connects. */
export class Connector {
  readonly #target: Target;
  readonly #options: ConnectOptions;
  readonly #encryptions: Encryption[];
  #password: string | undefined;

  constructor(target: Target, options: ConnectOptions) {
    this.#target = target;
    this.#options = options;
    this.#encryptions = [...target.encryptions];
    this.#password = target.password;
  }

  /**
   * @param timeoutMs longest wait for one connect
   * @throws {ConnectionFailure}
   */
  async open(timeoutMs: number): Promise<Connection> {
    let client: pg.Client | undefined;
    try {
      client = await this.#login(timeoutMs);
      const [version] = await askOver(client, 0)(VERSION);
      const versionNumber = Number(version?.[0]?.[0]);
      if (!(versionNumber >= OLDEST)) {
        throw new ConnectionFailure('The doctor needs PostgreSQL 14 or later.', 'OLD_SERVER', false, undefined);
      }
      const [rows] = await askOver(client, versionNumber)(SERVER);
      const { backend, used, plansFrom, ...facts } = rows![0]![0] as ServerRow;
      const pooler = backend !== (client as unknown as { processID: number }).processID;
      const server = { ...facts, pooler };
      if (!this.#options.reserved) refuseReserved(server, used);
      return new Connection(client, this.#target, server, plansFrom);
    } catch (error) {
      if (client) close(client);
      throw failureOf(error, this.#target, false);
    }
  }

  async #login(timeoutMs: number): Promise<pg.Client> {
    for (;;) {
      try {
        return await login(this.#target, this.#encryptions[0]!, this.#password, timeoutMs);
      } catch (error) {
        if (this.#encryptions.length > 1 && isEncryptionOffer(error)) this.#encryptions.shift();
        else if ((error as { code?: string }).code === NO_PASSWORD) await this.#learnPassword(error);
        else throw error;
      }
    }
  }

  async #learnPassword(error: unknown): Promise<void> {
    const password = await this.#options.askPassword(this.#target.user);
    if (password === null) throw error;
    this.#password = password;
  }
}

async function login(
  { host, port, user, database }: Target,
  ssl: Encryption,
  password: string | undefined,
  timeoutMs: number,
): Promise<pg.Client> {
  const client = new pg.Client({
    host,
    port,
    user,
    database,
    ssl,
    application_name: OWN_NAME,
    connectionTimeoutMillis: timeoutMs,
    query_timeout: ANSWER_WITHIN_MS,
    keepAlive: true,
    // `pg` calls this only when the server asks for a password.
    password: async () => password ?? (await fromPasswordFile({ host, port, user, database })),
  });
  // Without a listener, a connection lost between two queries would end the process. The next query fails with the same error.
  client.on('error', () => {});
  try {
    await client.connect();
    return client;
  } catch (error) {
    close(client);
    throw error;
  }
}

/** The password from .pgpass, or from the file that PGPASSFILE names. */
async function fromPasswordFile(connection: object): Promise<string> {
  const password = await new Promise<string | undefined>((resolve) => pgpass(connection, resolve));
  if (password !== undefined) return password;
  throw Object.assign(new Error('no password given'), { code: NO_PASSWORD });
}

interface Queryable {
  query(config: { text: string; rowMode: 'array' }): Promise<unknown>;
}

/** Runs queries on a connection that the caller has opened. */
export function askOver(client: Queryable, versionNumber: number): Ask {
  return async (...questions) => {
    return (await rowsOf(client, readOnly(questions.join(';'), versionNumber))).slice(-questions.length);
  };
}

/** The rows of each statement that returns rows, in order. */
async function rowsOf(client: Queryable, text: string): Promise<unknown[][][]> {
  const answer = (await client.query({ text, rowMode: 'array' })) as pg.QueryArrayResult | pg.QueryArrayResult[];
  return [answer].flat().flatMap(({ fields, rows }) => (fields.length > 0 ? [rows] : []));
}

/** Refuses a slot that is reserved for emergencies. The server gives one to a superuser without saying so. */
function refuseReserved({ superuser, maxConnections, reservedConnections }: ServerFacts, used: number): void {
  if (!superuser || used <= maxConnections - reservedConnections) return;
  throw new ConnectionFailure(
    'The server is full: only slots that are reserved for superusers are left (--reserved uses one).',
    '53300',
    true,
    undefined,
  );
}

/** Ends the session, and destroys the socket if the other side does not answer. */
function close(client: pg.Client): void {
  const { stream } = (client as unknown as { connection: { stream: { destroy(): void } } }).connection;
  const timer = setTimeout(() => stream.destroy(), END_WITHIN_MS);
  client
    .end()
    .catch(() => {})
    .finally(() => {
      clearTimeout(timer);
      stream.destroy();
    });
}
