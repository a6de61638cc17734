import { EventEmitter } from 'node:events';
import type pg from 'pg';
import { POLICY_KEYS } from '../../policy/options.js';
import type { Policy } from '../../policy/policy.js';
import type { SharedLimit } from '../../pool/sharedLimit.js';
import { captureStack } from './place.js';
import { registry } from './registry.js';

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
