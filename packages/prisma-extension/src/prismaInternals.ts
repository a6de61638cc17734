import type { PrismaPg } from '@prisma/adapter-pg';
import { TenureUsageError } from '@tenure/core';
import type { Pool } from '@tenure/core/pg';
import type pg from 'pg';
import type { Adapter } from './adapterErrors.js';

/**
 * All that Tenure uses of Prisma beyond its documentation; read in `@prisma/client` and `@prisma/adapter-pg` 7.10.0.
 *
 * The client's engine keeps its adapter factory, and calls `connect` of that object before its first query, and again after each
 * `$disconnect()`. That method is the only place at which a client can be given another pool.
 */

export type AdapterOptions = NonNullable<ConstructorParameters<typeof PrismaPg>[1]>;

/** Fields of `PrismaPg` that are private to TypeScript only. */
interface Factory extends Pick<PrismaPg, 'adapterName' | 'connect'> {
  /** The argument of `new PrismaPg()`; for a pool, the pool's options. A pool of another copy of `pg` counts as a config. */
  readonly config: pg.PoolConfig | pg.Pool;
  readonly externalPool: pg.Pool | null;
  readonly options?: AdapterOptions | undefined;
}

/** The mark of a factory that has Tenure's pool. The symbol is registered, so that the ESM and the CommonJS copy of this package share it. */
const BINDING = Symbol.for('@tenure/prisma/binding');

interface ClientWithInternals {
  /** The clients that are extended from this one share it. `$disconnect()` calls `stop`. */
  readonly _engine?: { stop?(): Promise<void> };
  readonly _engineConfig?: { readonly adapter?: object; readonly clientVersion?: string };
}

const EXPLICIT = "give the client an adapter of Tenure's own: new PrismaClient({ adapter: tenureAdapter(config) })";

/**
 * The adapter factory of a client.
 *
 * @throws TenureUsageError for a client whose connections Tenure cannot pool
 */
export function factoryOf(client: object): object {
  const engine = (client as ClientWithInternals)._engineConfig;
  if (engine === undefined) {
    throw new TenureUsageError(
      `tenure() cannot find the adapter of this client: this Prisma is probably newer than this Tenure. Upgrade @tenure/prisma, or ${EXPLICIT}.`,
    );
  }
  const version = engine.clientVersion ?? '';
  if (Number.parseInt(version, 10) < 7) {
    throw new TenureUsageError(
      `tenure() needs Prisma 7, and this client is ${version}. Upgrade, or give its adapter a pool yourself: ` +
        "new PrismaPg(new Pool({ connectionString })), with the Pool of '@tenure/core/pg'.",
    );
  }
  const { adapter } = engine;
  if (!adapter) {
    throw new TenureUsageError(
      'This client has no driver adapter, so it opens no connections itself. Give it one: ' +
        "new PrismaClient({ adapter: new PrismaPg({ connectionString }) }), with PrismaPg from '@prisma/adapter-pg'.",
    );
  }
  return adapter;
}

/** The mark of an adapter factory; `undefined` without one. */
export function markOf(factory: object): unknown {
  return (factory as { [BINDING]?: unknown })[BINDING];
}

export function mark(factory: object, by: object): void {
  Object.defineProperty(factory, BINDING, { value: by });
}

/**
 * The app's argument of `new PrismaPg()`: its configuration, or its pool.
 *
 * @throws TenureUsageError for a factory of another kind
 */
export function givenTo(factory: object): { source: pg.PoolConfig | pg.Pool; options: AdapterOptions } {
  const { adapterName, config, externalPool, options = {} } = factory as Factory;
  if (adapterName !== '@prisma/adapter-pg') {
    throw new TenureUsageError(
      `tenure() pools the connections of '@prisma/adapter-pg', and this client has the adapter ${adapterName}. ` +
        'For PostgreSQL give it new PrismaPg({ connectionString }); for any other database leave tenure() out.',
    );
  }
  if (typeof config !== 'object' || config === null || externalPool === undefined) throw moved();
  return { source: externalPool ?? config, options };
}

/** Makes a factory connect on Tenure's pools. Everything else about it stays the same. */
export function overrideConnect(
  factory: object,
  connect: (onPool: (pool: Pool) => Promise<Adapter>) => Promise<Adapter>,
) {
  const { options } = givenTo(factory);
  const stockConnect = (factory as Factory).connect;
  const onPool = async (pool: Pool): Promise<Adapter> => {
    // The same factory with another pool. `connect` does not check `instanceof`, so a pool from another copy of `pg` works.
    const withPool = Object.create(factory, {
      externalPool: { value: pool },
      options: { value: { ...options, disposeExternalPool: false } },
    });
    const adapter: Adapter = await stockConnect.call(withPool);
    if (adapter.underlyingDriver() === pool) return adapter;
    await adapter.dispose();
    throw moved();
  };
  Object.defineProperty(factory, 'connect', { value: () => connect(onPool), configurable: true, writable: true });
}

/**
 * Waits for pending work before a client disconnects. Prisma itself would roll back every open transaction, those of nested writes included, and
 * refuse requests that it has not sent yet.
 */
export function disconnectAfter(client: object, ended: () => Promise<void>): void {
  const { _engine: engine } = client as ClientWithInternals;
  const stop = engine?.stop;
  if (typeof stop !== 'function') throw moved();
  engine!.stop = async () => {
    await ended();
    await stop.call(engine);
  };
}

function moved(): TenureUsageError {
  return new TenureUsageError(
    `tenure() cannot put its pool under this '@prisma/adapter-pg': it is probably newer than this Tenure. Upgrade @tenure/prisma, or ${EXPLICIT}.`,
  );
}

/** An operation as a client passes it on, once for each time it runs. */
export interface ClientRequest {
  /** The operation, such as `findMany`. */
  readonly action: string;
  /** The transaction that the operation belongs to. */
  readonly transaction?: unknown;
}

/**
 * Intercepts the operations of a client, and of the clients that are extended from it. A query extension could do the same, but
 * its cost for each operation is higher than that of all the rest of Tenure.
 */
export function interceptRequests(
  client: object,
  intercept: (request: ClientRequest, run: () => Promise<unknown>) => Promise<unknown>,
): void {
  const { _request: request } = client as { _request?(this: object, request: ClientRequest): Promise<unknown> };
  if (typeof request !== 'function') throw moved();
  function intercepted(this: object, asked: ClientRequest): Promise<unknown> {
    return intercept(asked, () => request!.call(this, asked));
  }
  Object.defineProperty(client, '_request', { value: intercepted, configurable: true, writable: true });
}
