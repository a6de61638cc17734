import { PrismaPg } from '@prisma/adapter-pg';
import { type PolicyOverrides, TenureUsageError } from '@tenure/core';
import type { Pool } from '@tenure/core/pg';
import type { Adapter } from './adapterErrors.js';
import { bindPolicy, connectOn, type PolicyBinding, type PoolOrConfig } from './policyBinding.js';
import { type AdapterOptions, mark } from './prismaInternals.js';
import type { PrismaPool } from './sharedPool.js';

/** An adapter factory like `PrismaPg`, over Tenure's pool. */
export class TenureAdapter {
  readonly provider = 'postgres';
  readonly adapterName = '@tenure/prisma';
  readonly binding: PolicyBinding;
  readonly #options: AdapterOptions;

  constructor(poolOrConfig: PoolOrConfig, options: AdapterOptions, policy: PolicyOverrides) {
    this.#options = options;
    this.binding = bindPolicy(poolOrConfig, options, policy);
    mark(this, this.binding);
  }

  get pool(): PrismaPool {
    return this.binding.pool;
  }

  connect(): Promise<Adapter> {
    return connectOn(this.binding.pool, (pool) => this.#connectOn(pool));
  }

  async #connectOn(pool: Pool): Promise<Adapter> {
    const adapter = await new PrismaPg(pool, { ...this.#options, disposeExternalPool: false }).connect();
    if (adapter.underlyingDriver() === pool) return adapter;
    await adapter.dispose();
    throw new TenureUsageError(
      "There are two copies of 'pg' here: @prisma/adapter-pg has one of its own, and does not take the pool of the other. " +
        "Install one version for both, with the package manager's overrides.",
    );
  }
}

/**
 * An adapter that uses only what Prisma documents: `new PrismaClient({ adapter: tenureAdapter(config) })`.
 *
 * @param poolOrConfig the argument of `new PrismaPg()`: a connection URL, a configuration, or a pool
 * @param options the options of `PrismaPg`
 */
export function tenureAdapter(
  poolOrConfig: PoolOrConfig,
  options: AdapterOptions = {},
  policy: PolicyOverrides = {},
): TenureAdapter {
  return new TenureAdapter(poolOrConfig, options, policy);
}
