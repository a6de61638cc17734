import { createHmac, randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type pg from 'pg';
import { POLICY_KEYS } from '../../policy/options.js';
import type { Policy } from '../../policy/policy.js';
import type { Connector } from '../../pool/connector.js';
import { Pool } from '../../pool/pool.js';
import { SharedLimit } from '../../pool/sharedLimit.js';
import { captureStack, Places } from './places.js';

/** The version of this package. Only copies of the same version share limits, since other versions may call each other differently. */
export const VERSION = '0.1.0';

/**
 * The state that all copies of this version share, ESM and CommonJS. Each realm has its own, so that test files that a runner
 * isolates stay apart.
 */
export class Registry {
  readonly places = new Places();
  /** Held weakly: the pools under a limit hold it. */
  readonly #limits = new Map<string, WeakRef<SharedLimit>>();
  readonly #salt = randomBytes(32);

  /** The limit of all pools with this identity. The identity is kept as a hash, so that no names of hosts and users stay in memory. */
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

/** The registry of this realm; another copy of this package may have made it. */
export function registry(): Registry {
  const realm = globalThis as { [KEY]?: Registry };
  if (realm[KEY] === undefined) Object.defineProperty(realm, KEY, { value: new Registry() });
  return realm[KEY]!;
}

/** The target of a pool, and how it connects. These must be the same in all pools under one limit. */
export type TargetSettings = Readonly<Record<string, unknown>>;

/** A class of clients of node-postgres. */
export type ClientClass = new (config: pg.ClientConfig) => object;

/** The facts that decide which limit a pool is under. */
export interface Identity {
  /** A name for the place in the app where the pool was made; `undefined` if that is unknown. */
  readonly place: string | undefined;
  /** The pool's present target; `undefined` if it cannot be compared: the pool then shares no limit. */
  target(): TargetSettings | undefined;
}

/**
 * A name for the place in the app that calls the maker, for pools with this policy.
 *
 * @param maker the function or class that makes the pool
 * @returns `undefined` if no limit is shared by place, or the place is unknown
 */
export function placeOf(maker: object, { share, maxConnections }: Policy): string | undefined {
  const stack = share === 'place' && maxConnections > 1 ? captureStack(maker) : undefined;
  return stack && registry().places.nameOf(stack);
}

/** Finds the limit that a pool shares with others; `undefined` when it has one of its own. */
export function limitFinder(policy: Policy, { place, target }: Identity): () => SharedLimit | undefined {
  const { share, maxConnections } = policy;
  // An app uses a pool of one connection as a session, with settings, locks and temporary tables. So that connection is never
  // closed for another pool.
  const isOwn = share === 'none' || maxConnections === 1 || (share === 'place' && place === undefined);
  return () => {
    const settings = isOwn ? undefined : target();
    if (settings === undefined) return undefined;
    const values = POLICY_KEYS.map((key) => String(policy[key]));
    return registry().limitOf(JSON.stringify([share === 'place' && place, policy.name, values, settings]));
  };
}

/**
 * The target of a client made with this configuration, after `pg` has read the connection string, the `PG*` variables and its own
 * defaults.
 *
 * @returns `undefined` if `pg` does not decide it: the clients have a class of their own, or the app makes their sockets
 */
export function targetOf(Client: ClientClass, config: pg.ClientConfig, Stock: ClientClass): TargetSettings | undefined {
  if (Client !== Stock || config.stream !== undefined) return undefined;
  try {
    const copy = Object.create(Object.getPrototypeOf(config), Object.getOwnPropertyDescriptors(config));
    // With a given connection, `pg` makes no socket. A class of promises would make it emit a warning.
    const parts = { connection: new EventEmitter(), Promise: undefined, connectionTimeoutMillis: 0 };
    const { connectionParameters } = new Client(Object.assign(copy, parts)) as { connectionParameters?: object };
    return connectionParameters && plainValuesOf(connectionParameters);
  } catch {
    // `pg` throws the same error when it connects, where the caller gets it.
    return undefined;
  }
}

/** The values without the password, which may rotate, and without objects, which a module makes anew at each evaluation. */
function plainValuesOf(parameters: object): TargetSettings {
  const { password: _, ...values } = parameters as Record<string, unknown>;
  return Object.fromEntries(Object.entries(values).filter(([, value]) => typeof value !== 'object'));
}

/** A pool for an adapter, under one limit with others of the same identity. */
export function sharedPool<C extends object>(connector: Connector<C>, policy: Policy, identity: Identity): Pool<C> {
  return new Pool(connector, policy, undefined, limitFinder(policy, identity));
}
