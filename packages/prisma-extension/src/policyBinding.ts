import type { EventEmitter } from 'node:events';
import { type HostSettings, type Policy, type PolicyOverrides, parsePolicy, TenureUsageError } from '@tenure/core';
import { fromPgPool, placeOf, poolMadeAt } from '@tenure/core/adapter';
import { Pool, type PoolConfig } from '@tenure/core/pg';
import type pg from 'pg';
import { type Adapter, withPlainErrors } from './adapterErrors.js';
import type { AdapterOptions } from './prismaInternals.js';
import { SharedPool } from './sharedPool.js';
import { fromPrismaUrl } from './urlSettings.js';

/** The argument of `new PrismaPg()`. */
export type PoolOrConfig = pg.Pool | pg.PoolConfig | string;

/** The policy and the pool of one adapter factory. */
export interface PolicyBinding {
  readonly pool: SharedPool;
  /** Whether reads run a second time when their connection was lost. */
  readonly retryReads: boolean;
  /** The settings of the first call. A second call of `tenure` with the same settings changes nothing; with others it is refused. */
  readonly given: PolicyOverrides;
}

/** Defaults that pg-pool writes into the options of a pool. They look the same as the app's own, and count as not set. */
const FILLED_IN: pg.PoolConfig = {
  max: 10,
  min: 0,
  maxUses: Number.POSITIVE_INFINITY,
  maxLifetimeSeconds: 0,
  idleTimeoutMillis: 10_000,
  allowExitOnIdle: false,
};

/** Makes the policy and the pool of a factory with this pool or config. The policy is checked at once; nothing is opened. */
export function bindPolicy(
  poolOrConfig: PoolOrConfig,
  { disposeExternalPool }: AdapterOptions,
  given: PolicyOverrides,
): PolicyBinding {
  if (poolOrConfig === undefined || poolOrConfig === null) {
    throw new TenureUsageError(
      `tenureAdapter() takes a connection URL, a configuration or a pool, and was given ${poolOrConfig}. Is a variable not set?`,
    );
  }
  const source = typeof poolOrConfig === 'string' ? { connectionString: poolOrConfig } : poolOrConfig;
  if (isTenurePool(source)) {
    const retryReads = source.stats().policy.retryReads.value === true;
    return { given, retryReads, pool: asItIs(source, disposeExternalPool ?? false, given) };
  }
  const config = isPool(source) ? writtenIn(source) : source;
  const policy = parsePolicy(process.env, given, fromHost(config));
  // Captured here, because the pool is made when Prisma connects, and the app is no longer on the stack then.
  const place = placeOf(bindPolicy, policy);
  const make = () => {
    const pool = poolMadeAt(place, withPolicy(config, policy));
    if (isPool(source)) passOn(pool, source);
    return pool;
  };
  const done = async (pool: Pool) => {
    await pool.drain();
    if (isPool(source) && disposeExternalPool && !source.ending) await source.end();
  };
  return { given, retryReads: policy.retryReads, pool: new SharedPool({ make, done }) };
}

/** The app's own Tenure pool. If `disposeExternalPool` lets Prisma end it, the next client gets a new pool with the same settings. */
function asItIs(own: Pool, isDisposable: boolean, given: PolicyOverrides): SharedPool {
  if (Object.keys(given).length > 0) {
    throw new TenureUsageError(
      'The adapter of this client was given a Tenure pool, which has a policy already. Give the policy to that pool: ' +
        'new Pool({ connectionString, policy }), and call tenure() without one.',
    );
  }
  return new SharedPool({
    make: () => (isDisposable && own.ending ? new Pool(withPolicy(own.options, argumentsOf(own))) : own),
    done: async (pool) => {
      if (isDisposable) await pool.drain();
    },
  });
}

function argumentsOf(pool: Pool): PolicyOverrides {
  const settings = Object.entries(pool.stats().policy).filter(([, { source }]) => source.from === 'argument');
  return Object.fromEntries(settings.map(([key, { value }]) => [key, value]));
}

/** An option of the adapter's config overrules the connection URL, as it does in Prisma 7. */
function fromHost(config: pg.PoolConfig): HostSettings {
  const url = fromPrismaUrl(config.connectionString);
  const options = fromPgPool(config);
  return { ...url, ...options, problems: [...(url.problems ?? []), ...(options.problems ?? [])] };
}

/** The options that the app has set: those of the pool, without the defaults of pg-pool. */
function writtenIn(pool: pg.Pool): pg.PoolConfig {
  const options = copyOf<pg.PoolConfig>(pool.options);
  for (const [name, value] of Object.entries(FILLED_IN)) {
    if (options[name as keyof pg.PoolConfig] === value) delete options[name as keyof pg.PoolConfig];
  }
  const { Client } = pool as { Client?: unknown };
  return Object.assign(options, { Client });
}

/**
 * Emits the events of the pool on the app's pool, which it replaces, because a listener to `connect` often sets up the session.
 * Events without a listener are not passed on, since listeners to checkouts have a cost.
 */
function passOn(pool: Pool, app: pg.Pool): void {
  const appPool = app as EventEmitter;
  for (const event of ['connect', 'acquire', 'release', 'remove', 'error']) {
    const passAll = () => {
      (pool as EventEmitter).on(event, (...args) => {
        if (appPool.listenerCount(event) > 0) appPool.emit(event, ...args);
      });
    };
    if (appPool.listenerCount(event) > 0) passAll();
    else onFirstListener(appPool, event, passAll);
  }
}

function onFirstListener(emitter: EventEmitter, event: string, run: () => void): void {
  const onNewListener = (added: string | symbol) => {
    if (added !== event) return;
    emitter.removeListener('newListener', onNewListener);
    run();
  };
  emitter.on('newListener', onNewListener);
}

function withPolicy(config: pg.PoolConfig, policy: Policy | PolicyOverrides): PoolConfig {
  return Object.assign(copyOf(config), { policy });
}

/** Copies by descriptors: a spread would lose the password, which `pg` hides from enumeration. */
function copyOf<T extends object>(config: T): T {
  return Object.create(Object.getPrototypeOf(config), Object.getOwnPropertyDescriptors(config));
}

/** Compared by members, since it may come from another copy of `pg`, or of Tenure. */
function isPool(source: pg.PoolConfig | pg.Pool): source is pg.Pool {
  return 'totalCount' in source && 'options' in source;
}

function isTenurePool(source: pg.PoolConfig | pg.Pool): source is Pool {
  return isPool(source) && 'stats' in source && 'drain' in source;
}

/** Connects on the shared pool, which is released when the adapter is disposed of. */
export async function connectOn(shared: SharedPool, connect: (pool: Pool) => Promise<Adapter>): Promise<Adapter> {
  const { pool, release } = shared.take();
  try {
    const adapter = await connect(pool);
    const dispose = adapter.dispose.bind(adapter);
    adapter.dispose = async () => {
      await dispose();
      await release();
    };
    shared.work.addTransactionsOf(adapter);
    return withPlainErrors(adapter);
  } catch (error) {
    await release();
    throw error;
  }
}
