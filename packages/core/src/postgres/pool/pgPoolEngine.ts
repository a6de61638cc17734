import pg from 'pg';
import type { CloseReason } from '../../lifecycle/state.js';
import type { Policy } from '../../policy/policy.js';
import type { Pool as Engine } from '../../pool/pool.js';
import { enter, gateOf } from '../gate.js';
import { type Identity, sharedPool } from '../sharing/registry.js';
import { type ConnectorHost, poolConnector } from './pgPoolConnector.js';
import { clientConfig } from './pgPoolOptions.js';

type Client = pg.PoolClient;

/** What the app may change of a `Pool` while it runs. */
export interface MadePool {
  readonly options: pg.PoolConfig;
  readonly Client: new (config: pg.ClientConfig) => Client;
  log(...messages: unknown[]): void;
}

/** What the engine needs of the `Pool` in front of it. */
export interface Founding {
  readonly pool: MadePool;
  readonly policy: Policy;
  /** Tells the app's listeners. */
  readonly tell: (event: string, client: Client) => void;
  readonly engaged: Set<Client>;
  readonly identity: Identity;
}

/** The words of pg-pool's log, for the reasons that it knows. */
const LOGGED: { readonly [R in CloseReason]?: string } = {
  idle: 'remove idle client',
  'max-age': 'remove expired client',
  'max-uses': 'remove expended client',
};

/** Closes pools that the app has forgotten without ending them, such as one made for a request. */
const forgotten = new FinalizationRegistry<Engine<Client>>((engine) => void engine.drain());

/**
 * The engine behind a `Pool`, with a connector that does what the options of `pg.Pool` say. Sockets hold the engine, which therefore holds the
 * `Pool` weakly.
 */
export function makePool({ pool: face, policy, tell, engaged, identity }: Founding): Engine<Client> {
  const known = new WeakSet<Client>();
  const asMade = { options: face.options, Client: face.Client, log: (..._: unknown[]) => {} };
  const ref = new WeakRef(face);
  const pool = (): MadePool => ref.deref() ?? asMade;
  const host: ConnectorHost = {
    create: (connection) => new (pool().Client)(clientConfig(pool().options, connection)),
    setUp: (client) => {
      // What the set-up asks is no query of a borrower's.
      enter(gateOf(client));
      return pool().options.onConnect?.(client);
    },
    verify: (client) => verifyWith(pool().options, client),
    connected: (client) => {
      known.add(client);
      tell('connect', client);
    },
    gone: (client) => {
      engaged.delete(client);
      gateOf(client).isGone = true;
      // Its `connect` may have been told.
      if (known.delete(client)) tell('remove', client);
    },
    tidying: (client) => void engaged.add(client),
    tidied: (client) => void engaged.delete(client),
  };
  const asksPassword = () => typeof pool().options.password === 'function';
  const connector = poolConnector(host, { policy, stream: pool().options.stream, asksPassword });
  const engine = sharedPool(connector, policy, identity)
    .on('opening', () => pool().log('connecting new client'))
    .on('opened', () => pool().log('new client connected'))
    .on('openFailed', (error) => pool().log('client failed to connect', error))
    .on('closing', (_, reason) => pool().log(LOGGED[reason] ?? `remove client: ${reason}`));
  forgotten.register(face, engine);
  return engine;
}

function verifyWith({ verify }: pg.PoolConfig, client: Client): Promise<void> {
  if (!verify) return Promise.resolve();
  return new Promise((resolve, reject) => {
    verify(client, (error) => (error ? reject(error) : resolve()));
  });
}

/**
 * pg-pool's own methods; undefined where a tool had replaced one before this file was loaded. An app with nothing in the way of `query` takes
 * a shorter way to the engine.
 */
export const pristine = {
  connect: pristineOf('connect', '.newClient('),
  query: pristineOf('query', 'dispatching query'),
};

/** @param trait what no minifier changes in the method's text */
function pristineOf(name: 'connect' | 'query', trait: string): unknown {
  const method: unknown = pg.Pool.prototype[name];
  return Function.prototype.toString.call(method).includes(trait) ? method : undefined;
}

type Connect = (callback: (error: unknown, client: pg.PoolClient | undefined) => void) => unknown;

/**
 * Takes a client by a `connect` that the app has replaced, and calls it as pg-pool does, with a callback. One that only gives a promise does
 * for us, too.
 */
export function connectBy(connect: Connect): Promise<pg.PoolClient> {
  return new Promise((resolve, reject) => {
    const lent = connect((error, client) => (error ? reject(error) : resolve(client!)));
    if (typeof (lent as PromiseLike<unknown> | undefined)?.then !== 'function') return;
    // With nothing in it where it has left the client to the callback.
    (lent as PromiseLike<pg.PoolClient | undefined>).then((client) => client && resolve(client), reject);
  });
}
