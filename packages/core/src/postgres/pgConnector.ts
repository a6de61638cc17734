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

/** The argument of `new pg.Client()`: a connection string, or its own configuration. */
export type PgConfig = string | pg.ClientConfig;

export interface PgConnectorOptions {
  /** Prepares each session; runs again after each `session` reset. Must leave no transaction open. Default: none. */
  readonly setUp?: SetUp<pg.Client> | undefined;
}

/**
 * A connector for `createPool` that opens connections with the peer `pg`.
 *
 * @param config passed to every client unchanged, so that a password function is called each time; by default `pg` reads `PGHOST`
 * and the like
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

/** How a host makes its clients: `create` leaves the connect to the connector, `open` connects in the host's own way. */
type Making<C> =
  | {
      /** Makes a client that has not connected yet, over the given open connection if there is one. */
      create(wire?: PgWire): C & OpenableClient;
    }
  | {
      /** Opens a client and sets it up. Passes the client to `observe` before it connects: otherwise the server's first reports would be missed. */
      open(observe: (client: C) => void): Promise<C>;
    };

/** The functions that a host (`pgConnector`, `Pool`, Knex) adds to the connector that they have in common. */
export type ConnectorHooks<C extends PgClient> = Making<C> & {
  /** The app's own `stream` option of `pg`, if it has one: a cancel request goes the same way. */
  readonly stream?: CancelOptions['stream'];
  /** The target by the app's settings; that of the last connect replaces it. Default: nothing. */
  target?(): TargetSettings | undefined;
  /** Whether each connect calls the app for a new password. */
  asksPassword?(): boolean;
  /** Prepares a session; runs again after each `session` reset. Must leave no transaction open. */
  readonly setUp?: SetUp<C> | undefined;
  /** Called when a client has connected and is set up. Queries that are sent here are waited for. */
  connected?(client: C): void;
  /** The app's last check of a new client; rejects to refuse it. */
  verify?(client: C): Promise<void>;
  /** Called when a connected client could not be set up. */
  setUpFailed?(client: C, error: unknown): void;
  /** Whether the app itself refused the client with this error, so that the next attempt would be refused too. */
  isRefusal?(error: unknown): boolean;
  /** The app's check before every reuse. */
  readonly validate?: Connector<C>['validate'];
  /** Called when a reset begins. */
  resetting?(client: C): void;
  /** Called when a reset has succeeded. */
  wasReset?(client: C): void;
  /** Whether a new client must get the session that was reset. */
  needsNewClient?(client: C): boolean;
  /** Called when a client of `create` does not get into the pool, or has given its session to another one. */
  gone?(client: C): void;
  /** Closes a client in the host's own way. */
  close?(client: C): Promise<void>;
};

/** All functions that a `Connector` may have. */
export type ClientConnector<C extends object> = Required<Omit<Connector<C>, 'validate'>> &
  Pick<Connector<C>, 'validate'> & {
    /** Set when the pool has passed its policy; `undefined` unless that allows reads to share connections. */
    readonly reads: SharedReads | undefined;
  };

/** Operations on any connected client of node-postgres, however it was opened. */
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
      // A client class of the app's own may have to clean up more than the socket.
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
      // The session to be cleared may belong to another client by now.
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
  /** The pool's policy; unset while the connector has no pool. */
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
   * @param over an open connection to make the client with
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
      // A normal socket from here on: the pool decides whether it keeps the process alive.
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

  /** Handles the client's errors, and aborts it with the signal until the opening is done. Runs before the client connects. */
  #observe(client: C, signal: AbortSignal, done: AbortSignal): void {
    this.#servers.observe(client);
    this.pooler?.observe(client);
    const connection = connectionOf(client);
    // The caller that waits for the connection keeps the process alive. So do the look-up of a name, and a dial.
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
      // The texts are the app's only from here on.
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
    // Listeners send their `SET …` without waiting for it, and the borrower must not overtake it.
    await settle(client, signal);
  }
  if (verify) await unlessAborted(verify(client), signal);
}

/** Gives a client the wire and the listeners of the connection that it was made over. */
function useTakenOver(client: PgClient, { wire, socketListeners }: TakenOver): void {
  if (client.connection !== wire) {
    throw new TenureUsageError(
      'The Client class of this pool ignores the option `connection`, which CONN_RESET=session needs. Pass the config to super(), or use the Client of pg.',
    );
  }
  connectionOf(client).socketListeners = socketListeners;
}

/** Connects a client by the callback form, as pg-pool does: a `Client` class of the app's own may have no other form. */
function connected(client: OpenableClient): Promise<void> {
  return new Promise((resolve, reject) => {
    client.connect((error: Error | null) => (error ? reject(error) : resolve()));
  });
}
