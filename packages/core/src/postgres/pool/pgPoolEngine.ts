import pg from 'pg';
import type { CloseReason } from '../../lifecycle/state.js';
import type { Policy } from '../../policy/policy.js';
import type { Pool as Engine } from '../../pool/pool.js';
import { whenCollected } from '../../pool/sharedLimit.js';
import { connectionOf } from '../connection.js';
import { type ConnectorHooks, clientConnector } from '../pgConnector.js';
import type { SharedReads } from '../pipeline/sharedReads.js';
import { isOpen } from '../session.js';
import { type Identity, sharedPool } from '../sharing/registry.js';
import { clientConfig } from './pgPoolOptions.js';

type Client = pg.PoolClient;

/** The members of a `Pool` that the app may change while it runs. */
export interface MutablePool {
  readonly options: pg.PoolConfig;
  readonly Client: new (config: pg.ClientConfig) => Client;
  log(...messages: unknown[]): void;
}

/** The parts of a `Pool` that its engine needs. */
export interface PoolFront {
  readonly pool: MutablePool;
  readonly policy: Policy;
  /** Emits an event of the pool. */
  readonly emit: (event: string, client: Client) => void;
  /** Clients that are checked out, or being reset. */
  readonly engaged: Set<Client>;
  readonly identity: Identity;
}

/** The log messages of pg-pool, for the reasons that it has. */
const LOGGED: { readonly [R in CloseReason]?: string } = {
  idle: 'remove idle client',
  'max-age': 'remove expired client',
  'max-uses': 'remove expended client',
};

/** The engine behind a `Pool`. Sockets hold the engine, so it holds the `Pool` weakly. */
export function makeEngine(front: PoolFront): { engine: Engine<Client>; reads: SharedReads | undefined } {
  const { pool: made, policy, identity } = front;
  const asMade = { options: made.options, Client: made.Client, log: (..._: unknown[]) => {} };
  const ref = new WeakRef(made);
  const pool = (): MutablePool => ref.deref() ?? asMade;
  const connector = clientConnector(poolHooks(pool, front));
  const engine = sharedPool(connector, policy, identity)
    .on('opening', () => pool().log('connecting new client'))
    .on('opened', () => pool().log('new client connected'))
    .on('openFailed', (error) => pool().log('client failed to connect', error))
    .on('closing', (_, reason) => pool().log(LOGGED[reason] ?? `remove client: ${reason}`));
  // An app may make a pool for a request and never end it.
  whenCollected.register(made, () => void engine.drain());
  return { engine, reads: connector.reads };
}

/** Carries out the options of `pg.Pool`, at the same moments as pg-pool. */
function poolHooks(pool: () => MutablePool, { emit, engaged, identity }: PoolFront): ConnectorHooks<Client> {
  const emittedConnect = new WeakSet<Client>();
  const refusals = new WeakSet<object>();
  return {
    stream: pool().options.stream,
    target: identity.target,
    asksPassword: () => typeof pool().options.password === 'function',
    create: (wire) => new (pool().Client)(clientConfig(pool().options, wire)),
    setUp(client) {
      // The queries of the set-up are not the borrower's.
      connectionOf(client).borrower.begin();
      return pool().options.onConnect?.(client);
    },
    verify: (client) => verifyWith(pool().options, client),
    connected(client) {
      emittedConnect.add(client);
      emit('connect', client);
    },
    setUpFailed(client, error) {
      if (isOpen(client) && isAppsOwn(error)) refusals.add(error);
    },
    // The caller gets a hook's refusal at once, as with pg-pool, and not after `connectTimeoutMs` of further attempts.
    isRefusal: (error) => isObject(error) && refusals.has(error),
    gone(client) {
      engaged.delete(client);
      connectionOf(client).borrower.isRemoved = true;
      if (emittedConnect.delete(client)) emit('remove', client);
    },
    resetting: (client) => void engaged.add(client),
    wasReset: (client) => void engaged.delete(client),
    needsNewClient: (client) => connectionOf(client).borrower.needsNewClient,
  };
}

/** Whether an error is the app's own. One with a code is the server's or the system's, met by a query of the hook: its code is classified. */
function isAppsOwn(error: unknown): error is object {
  return isObject(error) && !('code' in error);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function verifyWith({ verify }: pg.PoolConfig, client: Client): Promise<void> {
  if (!verify) return Promise.resolve();
  return new Promise((resolve, reject) => {
    verify(client, (error) => (error ? reject(error) : resolve()));
  });
}

/**
 * pg-pool's own methods; `undefined` if a tool had replaced one before this file was loaded. If none is replaced, `query`
 * acquires from the engine directly.
 */
export const pristine = {
  connect: pristineOf('connect', '.newClient('),
  query: pristineOf('query', 'dispatching query'),
};

/** @param trait a part of the method's source that no minifier changes */
function pristineOf(name: 'connect' | 'query', trait: string): unknown {
  const method: unknown = pg.Pool.prototype[name];
  return Function.prototype.toString.call(method).includes(trait) ? method : undefined;
}

type Connect = (callback: (error: unknown, client: pg.PoolClient | undefined) => void) => unknown;

/**
 * Acquires a client through a `connect` that the app has replaced. It is called with a callback, as pg-pool does; one that only
 * returns a promise works as well.
 */
export function connectBy(connect: Connect): Promise<pg.PoolClient> {
  return new Promise((resolve, reject) => {
    const lent = connect((error, client) => (error ? reject(error) : resolve(client!)));
    if (typeof (lent as PromiseLike<unknown> | undefined)?.then !== 'function') return;
    // It resolves to nothing if the callback gets the client.
    (lent as PromiseLike<pg.PoolClient | undefined>).then((client) => client && resolve(client), reject);
  });
}
