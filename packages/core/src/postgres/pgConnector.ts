import pg from 'pg';
import { TenureUsageError } from '../errors.js';
import type { Policy } from '../policy/policy.js';
import type { ConnectFailure, Connector, PoolReport, ResetMode, ResetResult } from '../pool/connector.js';
import { breakOff, findLost, queryInFlight } from './backends.js';
import { type CancelOptions, probe } from './cancel.js';
import { connectionOf, type EndListeners } from './connection.js';
import { classifyConnectError, classifyLogin, classifyLoss } from './failures.js';
import type { PgClient, PgWire } from './pgTypes.js';
import type { SharedReads } from './pipeline/sharedReads.js';
import { Pooler } from './pooler.js';
import { CLEAR_SESSION, finish, reset, runSetUp, type SetUp, settle } from './reset.js';
import { Servers, serverOf } from './servers.js';
import { isOpen, isWritable, ping, roundTrip, transactionStatus, unlessAborted } from './session.js';
import { type TargetSettings, targetOf } from './sharing/registry.js';
import { PgSlotLocks } from './slotLocks.js';
import { NO_STATEMENTS, rememberLastStatement, Statements } from './statements/statements.js';
import { type TakenOver, takeOver } from './takeOver.js';

/** What `new pg.Client()` takes: a connection string, or its own configuration. */
export type PgConfig = string | pg.ClientConfig;

export interface PgConnectorOptions {
  /** Prepares each session; run again after each `session` reset. Must leave no transaction open. Default: none. */
  readonly setUp?: SetUp<pg.Client> | undefined;
}

/**
 * A connector for `createPool` that opens connections with the peer `pg`.
 *
 * @param config given to every client as it is, so that a password function is called each time; without it `pg` reads `PGHOST` and the like
 */
export function pgConnector(config?: PgConfig, options: PgConnectorOptions = {}): Connector<pg.Client> {
  return clientConnector<pg.Client>({
    ...options,
    stream: typeof config === 'object' ? config.stream : undefined,
    asksPassword: () => typeof config === 'object' && typeof config.password === 'function',
    create: () => new pg.Client(config),
    target: () => targetOf(pg.Client, typeof config === 'object' ? config : { connectionString: config }, pg.Client),
  });
}

/** A client that has not connected yet. */
export interface OpenableClient extends PgClient {
  connect(callback: (error: Error | null) => void): void;
}

/** How a host makes its clients: `create` leaves the connect to the connector, `open` does it the host's own way. */
type Making<C> =
  | {
      /** Makes a client that has not connected yet; over a connection that is open, if one is given. */
      create(wire?: PgWire): C & OpenableClient;
    }
  | {
      /** Opens a client and sets it up. Gives the client to `observe` before it connects, or what the server reports at the start is missed. */
      open(observe: (client: C) => void): Promise<C>;
    };

/** What a host (`pgConnector`, `Pool`, Knex) adds to the connector that they have in common. */
export type ConnectorHooks<C extends PgClient> = Making<C> & {
  /** The app's own `stream` option of `pg`, if it has one: a cancel request goes the same way. */
  readonly stream?: CancelOptions['stream'];
  /** What the app's settings say of where it connects to; the last connect knows better. Default: nothing. */
  target?(): TargetSettings | undefined;
  /** Whether each connect asks the app for the password anew. */
  asksPassword?(): boolean;
  /** Prepares a session; run again after each `session` reset. Must leave no transaction open. */
  readonly setUp?: SetUp<C> | undefined;
  /** A client has connected and is set up. Queries that are sent here are waited for. */
  connected?(client: C): void;
  /** The app's last check of a new client; rejects to refuse it. */
  verify?(client: C): Promise<void>;
  /** A client that had connected could not be set up. */
  setUpFailed?(client: C, error: unknown): void;
  /** Whether the app itself refused the client with this error, so that the next attempt would be refused too. */
  isRefusal?(error: unknown): boolean;
  /** The app's check before every reuse. */
  readonly validate?: Connector<C>['validate'];
  /** A reset begins. */
  resetting?(client: C): void;
  /** A reset has succeeded. */
  wasReset?(client: C): void;
  /** Whether a new client is to get the session that was reset. */
  needsNewClient?(client: C): boolean;
  /** A client that `create` made does not come into the pool, or gave its session to another one. */
  gone?(client: C): void;
  /** Closes a client in the host's own way. */
  close?(client: C): Promise<void>;
};

/** Everything that a `Connector` may have. */
export type ClientConnector<C extends object> = Required<Omit<Connector<C>, 'validate'>> &
  Pick<Connector<C>, 'validate'> & {
    /** Of a connector whose pool has passed its policy; `undefined` unless that allows reads to share connections. */
    readonly reads: SharedReads | undefined;
  };

/** What works on any connected client of node-postgres, however it was opened. */
const operations = {
  ref: (client: PgClient) => void client.connection?.stream.ref?.(),
  unref: (client: PgClient) => void client.connection?.stream.unref?.(),
  ping,
  isWritable,
  isOpen,
  transactionStatus,
  classifyLoss,
  queryInFlight,
  findLost,
  breakOff,
  processId: ({ processID }: PgClient) => processID ?? undefined,
  lastStatement: (client: PgClient) => connectionOf(client).lastStatement,
};

/** The connector for clients of node-postgres, as one host makes them. */
export function clientConnector<C extends PgClient>(hooks: ConnectorHooks<C>): ClientConnector<C> {
  const servers = new Servers();
  const opener = new Opener(hooks, servers);
  const { validate } = hooks;
  return {
    ...operations,
    ...(validate && { validate }),
    usePolicy: (policy, report) => opener.usePolicy(policy, report),
    target: () => servers.target ?? serverOf(hooks.target?.() ?? {}),
    connect: (signal, onLost, onReadOnly) => opener.open(signal, { onLost, onReadOnly }),
    close: (client) => (hooks.close ? hooks.close(client) : connectionOf(client).close()),
    abort(client) {
      // A client class of the app's may have more to clean up than the socket.
      hooks.close?.(client).catch(() => {});
      connectionOf(client).abort();
    },
    probe: (client, signal) => probe(client, { signal, stream: hooks.stream }),
    pooler: () => opener.pooler?.kind ?? 'unknown',
    statementStats: () => opener.statements?.stats ?? NO_STATEMENTS,
    pipelineStats: () => opener.statements?.pipelineStats,
    get reads() {
      return opener.statements?.reads;
    },
    makesRoom: (error, connection) => servers.makesRoom(error, connection as PgClient),
    slotLocks: (member) => new PgSlotLocks(opener.policy!, member, () => opener.pooler?.kind),
    classifyConnectError(error): ConnectFailure {
      if (hooks.isRefusal?.(error)) return 'permanent';
      return hooks.asksPassword?.() ? classifyLogin(error) : classifyConnectError(error);
    },
    finish: (client) => {
      const { signal: never } = new AbortController();
      return finish(client, never, { stream: hooks.stream, limitMs: opener.policy?.healthTimeoutMs });
    },
    async reset(client: C, mode: ResetMode, signal: AbortSignal): Promise<ResetResult<C>> {
      hooks.resetting?.(client);
      // The session that would be cleared may be another client's by now.
      const isOthers = mode === 'session' && opener.pooler?.kind === 'transaction';
      const options = { stream: hooks.stream, setUp: hooks.setUp };
      const result = await reset(client, isOthers ? 'rollback' : mode, signal, options);
      const renewed = hooks.needsNewClient?.(client) ? await opener.renew(client, signal) : undefined;
      hooks.wasReset?.(client);
      return { ...result, renewed };
    },
  };
}

/** Opens the clients of one connector. */
class Opener<C extends PgClient> {
  readonly #hooks: ConnectorHooks<C>;
  readonly #servers: Servers;
  /** Of the pool; unset while the connector has none. */
  policy: Policy | undefined;
  pooler: Pooler | undefined;
  statements: Statements | undefined;

  constructor(hooks: ConnectorHooks<C>, servers: Servers) {
    this.#hooks = hooks;
    this.#servers = servers;
  }

  usePolicy(policy: Policy, report: PoolReport): void {
    if (this.policy) throw new TenureUsageError('This connector belongs to another pool already: make one for each.');
    this.policy = policy;
    this.pooler = new Pooler(policy, (warning) => report.warn(warning));
    this.statements = new Statements(policy, this.pooler, report);
  }

  /**
   * Opens a client and sets it up. If that fails, no socket stays open and no error is uncaught.
   *
   * @param over a connection that is open, for the client to be made with
   */
  async open(signal: AbortSignal, listeners: EndListeners, over?: TakenOver): Promise<C> {
    signal.throwIfAborted();
    const hooks = this.#hooks;
    const done = new AbortController();
    const observe = (made: C) => this.#observe(made, signal, done.signal);
    let client: C | undefined;
    try {
      if ('open' in hooks) {
        client = await hooks.open(observe);
      } else {
        const made = hooks.create(over?.wire);
        client = made;
        observe(made);
        if (over) useTakenOver(made, over);
        await unlessAborted(connected(made), signal);
      }
      await this.#prepare(client, signal);
      const connection = connectionOf(client);
      if (!isOpen(client)) throw connection.causeOfEnd();
      connection.watch(listeners);
      // Like any socket, from here on: the pool decides whether it keeps the process alive.
      operations.ref(client);
      return client;
    } catch (error) {
      if (client) {
        connectionOf(client).abort();
        hooks.gone?.(client);
      }
      throw error;
    } finally {
      done.abort();
    }
  }

  /** Clears the session of a client, and gives it to a new client. */
  async renew(client: C, signal: AbortSignal): Promise<C> {
    const { listeners, locks } = connectionOf(client);
    const clearing = [...CLEAR_SESSION, 'DEALLOCATE ALL'];
    await roundTrip(client, (locks?.kept(clearing) ?? clearing).join('; '), signal);
    const over = takeOver(client);
    this.#hooks.gone?.(client);
    const renewed = await this.open(signal, listeners!, over);
    // The session is the same, and so are its locks.
    connectionOf(renewed).locks = locks;
    return renewed;
  }

  /** Before the client connects: from here on its errors are handled, and it is aborted with the signal until the opening is done. */
  #observe(client: C, signal: AbortSignal, done: AbortSignal): void {
    this.#servers.observe(client);
    this.pooler?.observe(client);
    const connection = connectionOf(client);
    // The caller that waits for the connection keeps the process alive. A look-up of a name, or a dial, still does as well.
    if (this.policy?.exitOnIdle ?? true) operations.unref(client);
    signal.addEventListener('abort', () => connection.abort(), { signal: done });
  }

  /** Makes a client that has connected ready for its first borrower. */
  async #prepare(client: C, signal: AbortSignal): Promise<void> {
    const hooks = this.#hooks;
    try {
      if ('create' in hooks) await setUpNew(client, hooks, signal);
      connectionOf(client).pooler = this.pooler;
      const kind = await this.pooler?.detect(client, signal);
      // Only from here on the texts are those of the app.
      if (Number.isFinite(this.policy?.leakAfterMs)) rememberLastStatement(client);
      const isInOrder = this.statements?.reads && (await this.statements.proveOrder(client, kind, signal));
      this.statements?.adopt(client, kind, isInOrder);
    } catch (error) {
      hooks.setUpFailed?.(client, error);
      throw error;
    }
  }
}

async function setUpNew<C extends PgClient>(
  client: C,
  { setUp, connected, verify }: ConnectorHooks<C>,
  signal: AbortSignal,
): Promise<void> {
  if (setUp) await runSetUp(client, setUp, signal);
  if (connected) {
    connected(client);
    // Listeners send their `SET …` and do not wait for it: the borrower must not overtake it.
    await settle(client, signal);
  }
  if (verify) await unlessAborted(verify(client), signal);
}

/** Notes what a client has been made over. */
function useTakenOver(client: PgClient, { wire, socketListeners }: TakenOver): void {
  if (client.connection !== wire) {
    throw new TenureUsageError(
      'The Client class of this pool ignores the option `connection`, which CONN_RESET=session needs. Pass the config to super(), or use the Client of pg.',
    );
  }
  connectionOf(client).socketListeners = socketListeners;
}

/** With a callback, as pg-pool connects: a `Client` class of the app's own may know no other form. */
function connected(client: OpenableClient): Promise<void> {
  return new Promise((resolve, reject) => {
    client.connect((error: Error | null) => (error ? reject(error) : resolve()));
  });
}
