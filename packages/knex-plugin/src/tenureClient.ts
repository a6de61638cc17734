import type { Duplex } from 'node:stream';
import type { Policy } from '@tenure/core';
import { cancelRequest, connectionOf, type Lender, placeOf, sharedPool } from '@tenure/core/adapter';
import type { Knex } from 'knex';
import { knexConnector } from './connector.js';
import type { Connection, Dialect, DialectClass } from './dialect.js';
import { ignoredSettings } from './hostSettings.js';
import { withObservedConnects } from './opening.js';
import { Origins, withOrigins } from './origins.js';
import { remember } from './poolOf.js';
import { streamOf } from './setUp.js';
import { Borrowings } from './sharedPool.js';
import { KnexReads } from './sharedReads.js';
import { isGivenBackByStream, runStream } from './streams.js';
import { targetOfClient } from './target.js';
import { TarnPool } from './tarnPool.js';
import { toKnexError, withKnexHint } from './translateError.js';

/** A cancel that takes longer counts as failed. */
const CANCEL_LIMIT_MS = 5_000;

/**
 * Knex's client with Tenure's pool in the place of its own.
 *
 * It can have no fields of its own: Knex makes the pool in the constructor of its base class, and makes the clients of
 * transactions without any constructor.
 *
 * @param named the `client` of the app's config, which tools compare
 * @param pooled a pool that others use as well, or the policy of one of its own
 */
export function tenureClient(
  Base: DialectClass,
  named: Knex.Config['client'],
  pooled: Lender<Connection> | ((config: Knex.Config) => Policy),
): DialectClass {
  return class extends withOrigins(withObservedConnects(Base)) {
    constructor(config: Knex.Config) {
      super({ ...config, client: named } as Knex.Config);
    }

    override initializePool(config: Knex.Config = this.config): void {
      // Knex's own method only warns when there is a pool already.
      if (this.pool) return super.initializePool(config);
      if (typeof pooled !== 'function') {
        const borrowings = new Borrowings(this, pooled);
        remember(borrowings.engine, this.logger);
        this.pool = new TarnPool(borrowings.engine, new WeakMap(), undefined, borrowings);
        return;
      }
      const policy = pooled(config);
      const closeErrors = new WeakMap<Connection, unknown>();
      const target = () => targetOfClient(this, config);
      const connector = knexConnector(this, { pool: config.pool ?? {}, policy, closeErrors, target });
      const place = placeOf(this.initializePool, policy);
      const engine = sharedPool(connector, policy, { place, target });
      const origins = Origins.keepFor(engine);
      engine.on('warning', ({ message, holders }) =>
        this.logger.warn?.(withKnexHint(origins?.explain(message, holders) ?? message)),
      );
      warnOfIgnored(this, config.pool);
      remember(engine, this.logger);
      this.pool = new TarnPool(engine, closeErrors, config.pool?.log);
      if (connector.reads && !origins) this.pool.reads = new KnexReads(connector.reads, engine);
    }

    override runner(builder: object) {
      const runner = super.runner(builder);
      return this.pool?.reads?.lend(runner, builder, this) ?? runner;
    }

    override acquireConnection(): Promise<Connection> {
      const origins = Origins.of(this);
      return super.acquireConnection().catch((error: unknown) => {
        throw toKnexError(error, origins);
      });
    }

    override releaseConnection(connection?: Connection): Promise<void> {
      if (this.pool === undefined || connection === undefined || isGivenBackByStream(connection))
        return Promise.resolve();
      Origins.of(this)?.forget(connection);
      // Knex sets this after a query with `.timeout()` that it did not cancel. The query may still run, but its caller has stopped waiting.
      if (connection.__knex__disposed instanceof Error) connectionOf(connection).borrower.abandon();
      connection.__knex__disposed = undefined;
      return super.releaseConnection(connection);
    }

    override stream(connection: Connection, query: unknown, stream: Duplex, options: unknown): Promise<unknown> {
      return runStream(connection, stream, () => super.stream(connection, query, stream, options));
    }

    /** Cancels a query without a session. Knex opens one beside the pool for it, which a full server refuses. */
    override async cancelQuery(connection?: Connection): Promise<void> {
      const limits = { signal: AbortSignal.timeout(CANCEL_LIMIT_MS), stream: streamOf(this) };
      try {
        await cancelRequest(this.driver.Connection, connection!, limits);
      } catch (error) {
        // The cancel may still arrive, and would then end a later query of this connection.
        connectionOf(connection!).abort();
        throw error;
      }
    }
  };
}

function warnOfIgnored({ logger }: Dialect, pool: Knex.PoolConfig | undefined): void {
  const ignored = ignoredSettings(pool);
  if (ignored.length > 0)
    logger.warn?.(
      `Tenure ignores ${ignored.join(', ')}. Remove them: its own settings decide that (docs/settings.md).`,
    );
}
