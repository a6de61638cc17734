import { createHmac, randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type pg from 'pg';
import { POLICY_KEYS } from '../../policy/options.js';
import type { Policy } from '../../policy/policy.js';
import type { Connector } from '../../pool/connector.js';
import { Pool } from '../../pool/pool.js';
import { SharedLimit } from '../../pool/sharedLimit.js';
import { captureStack, Places } from './places.js';

/** The version of this package. Limits are shared among copies of the same version only: what the copies ask of each other is not to change. */
export const VERSION = '0.1.0';

/** What all copies of this version have in common, ESM and CommonJS. Each realm has its own: what a test runner isolates stays apart. */
export class Registry {
  readonly places = new Places();
  /** Held weakly: the pools that keep to a limit hold it. */
  readonly #limits = new Map<string, WeakRef<SharedLimit>>();
  readonly #salt = randomBytes(32);

  /** The limit of all pools with this identity, which is kept as a hash: names of hosts and users do not lie around. */
  limitOf(identity: string): SharedLimit {
    const key = createHmac('sha256', this.#salt).update(identity).digest('base64url');
    const known = this.#limits.get(key)?.deref();
    if (known) return known;
    for (const [other, limit] of this.#limits) if (limit.deref() === undefined) this.#limits.delete(other);
    const limit = new SharedLimit();
    this.#limits.set(key, new WeakRef(limit));
    return limit;
  }
}

const KEY = Symbol.for(`@tenure/core ${VERSION} pools`);

/** The registry of this realm. It may have been made by another copy of this package. */
export function registry(): Registry {
  const realm = globalThis as { [KEY]?: Registry };
  if (realm[KEY] === undefined) Object.defineProperty(realm, KEY, { value: new Registry() });
  return realm[KEY]!;
}

/** What a pool connects to, and how: what must be the same in all pools of one limit. */
export type TargetSettings = Readonly<Record<string, unknown>>;

/** A class of clients of node-postgres. */
export type ClientClass = new (config: pg.ClientConfig) => object;

/** What makes a limit a pool's. */
export interface Identity {
  /** Names the place where the pool was made; `undefined` where that cannot be told. */
  readonly place: string | undefined;
  /** What the pool connects to now; `undefined` where only the pool itself can tell: it shares nothing. */
  target(): TargetSettings | undefined;
}

/**
 * Names the place of the app at which the maker is called, for pools with this policy.
 *
 * @returns `undefined` where nothing is to be shared by place, or the place cannot be told
 */
export function placeOf(maker: object, { share, maxConnections }: Policy): string | undefined {
  const stack = share === 'place' && maxConnections > 1 ? captureStack(maker) : undefined;
  return stack && registry().places.nameOf(stack);
}

/** Finds the limit that a pool keeps to together with others; `undefined` when it has one of its own. */
export function limitFinder(policy: Policy, { place, target }: Identity): () => SharedLimit | undefined {
  const { share, maxConnections } = policy;
  // A pool of one connection is a session to its app, with settings, locks and temporary tables: it is never closed for another pool.
  const isOwn = share === 'none' || maxConnections === 1 || (share === 'place' && place === undefined);
  return () => {
    const settings = isOwn ? undefined : target();
    if (settings === undefined) return undefined;
    const values = POLICY_KEYS.map((key) => String(policy[key]));
    return registry().limitOf(JSON.stringify([share === 'place' && place, policy.name, values, settings]));
  };
}

/**
 * What a client made with this configuration would connect to, once `pg` has read the connection string, the `PG*` variables and its own
 * defaults.
 *
 * @returns `undefined` where `pg` does not decide that: the clients have a class of their own, or the app makes their sockets
 */
export function targetOf(Client: ClientClass, config: pg.ClientConfig, Stock: ClientClass): TargetSettings | undefined {
  if (Client !== Stock || config.stream !== undefined) return undefined;
  try {
    const copy = Object.create(Object.getPrototypeOf(config), Object.getOwnPropertyDescriptors(config));
    // With a connection given, `pg` makes no socket. A class of promises of its own earns a warning.
    const parts = { connection: new EventEmitter(), Promise: undefined, connectionTimeoutMillis: 0 };
    const { connectionParameters } = new Client(Object.assign(copy, parts)) as { connectionParameters?: object };
    return connectionParameters && plainValuesOf(connectionParameters);
  } catch {
    // What `pg` makes of these options it will say itself when it connects.
    return undefined;
  }
}

/** Neither the password, which may rotate, nor objects, which a module makes anew at each evaluation. */
function plainValuesOf(parameters: object): TargetSettings {
  const { password: _, ...values } = parameters as Record<string, unknown>;
  return Object.fromEntries(Object.entries(values).filter(([, value]) => typeof value !== 'object'));
}

/** A pool for an adapter, which keeps to one limit with others like it. */
export function sharedPool<C extends object>(connector: Connector<C>, policy: Policy, identity: Identity): Pool<C> {
  return new Pool(connector, policy, undefined, limitFinder(policy, identity));
}
