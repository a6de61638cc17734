import { EventEmitter } from 'node:events';
import type pg from 'pg';
import { POLICY_KEYS } from '../../policy/options.js';
import type { Policy } from '../../policy/policy.js';
import { describe } from './describe.js';
import type { Fingerprint, Registry } from './registry.js';

type Settings = Readonly<Record<string, unknown>>;

/** All that two pools must have in common to be one. `undefined` stands for "not set". */
export interface Identity {
  /** Which database, as whom, with which credentials. */
  readonly target: Settings;
  /** Everything else that makes a difference to a connection. */
  readonly settings: Settings;
}

/** A class of clients of node-postgres. */
export type ClientClass = new (config: pg.ClientConfig) => object;

const TARGET = ['host', 'port', 'user', 'database', 'password'];

/** Options that say no more than the policy does, or than the connection parameters into which `pg` resolves them. */
const RESOLVED = [
  ...['connectionString', ...TARGET, 'binary', 'options', 'ssl', 'sslnegotiation', 'client_encoding', 'replication'],
  ...['application_name', 'fallback_application_name', 'statement_timeout', 'lock_timeout', 'query_timeout'],
  ...['idle_in_transaction_session_timeout', 'keepAlive', 'keepAliveInitialDelayMillis', 'connectionTimeoutMillis'],
  ...['max', 'min', 'poolSize', 'idleTimeoutMillis', 'maxUses', 'maxLifetimeSeconds', 'allowExitOnIdle', 'Client'],
];

/**
 * What a client made with this configuration would connect to, and how, once `pg` has read the connection string, the `PG*` variables and
 * its own defaults.
 *
 * @param Client the class of the clients. If it is not that of `pg`, nobody knows what it makes of its options: they count as written
 * @param Stock the class of the copy of `pg` that is used
 * @throws whatever `pg` throws at a configuration that it cannot read
 */
export function identityOf(Client: ClientClass, config: pg.ClientConfig, Stock: ClientClass): Identity {
  const { target, rest } = resolve(Stock, config);
  const written = Object.getOwnPropertyNames(config).filter((name) => Client !== Stock || !RESOLVED.includes(name));
  return { target, settings: { ...rest, ...pick(config, written), Client } };
}

function resolve(Client: ClientClass, config: pg.ClientConfig): { target: Settings; rest: Settings } {
  const copy = Object.create(Object.getPrototypeOf(config), Object.getOwnPropertyDescriptors(config));
  // With a connection given, `pg` makes no socket, and asks the app for none. A class of promises of its own earns a warning.
  const parts = { connection: new EventEmitter(), Promise: undefined, connectionTimeoutMillis: 0 };
  const { connectionParameters } = new Client(Object.assign(copy, parts)) as { connectionParameters?: object };
  if (connectionParameters === undefined) throw new Error('This client does not tell its connection parameters');
  const names = Object.getOwnPropertyNames(connectionParameters);
  const others = names.filter((name) => !TARGET.includes(name));
  return { target: pick(connectionParameters, TARGET), rest: pick(connectionParameters, others) };
}

function pick(object: object, names: readonly string[]): Settings {
  return Object.fromEntries(names.map((name) => [name, (object as Settings)[name]]));
}

/** The whole policy, by the names that its reader knows. Where a value came from makes no difference. */
export function policySettings(policy: Policy): Settings {
  const values = POLICY_KEYS.map((key) => [`policy.${key}`, policy[key]]);
  return { ...Object.fromEntries(values), [NAME]: policy.name };
}

/** The setting that keeps pools apart on purpose. */
export const NAME = 'policy.name';

export function fingerprintOf({ target, settings }: Identity, registry: Registry): Fingerprint {
  const digest = (value: unknown) => registry.digest(describe(value, (object) => registry.numberOf(object)));
  const named = Object.entries(settings).filter(([, value]) => value !== undefined);
  const digests = named.map(([name, value]): [string, string] => [name, digest(value)]);
  const whole = { target: digest(target), settings: new Map(digests) };
  return { ...whole, key: digest([whole.target, Object.fromEntries(digests)]) };
}

/** The settings in which two pools with the same target differ. */
export function differences(one: Fingerprint, other: Fingerprint): string[] {
  const names = new Set([...one.settings.keys(), ...other.settings.keys()]);
  return [...names].filter((name) => one.settings.get(name) !== other.settings.get(name)).sort();
}
