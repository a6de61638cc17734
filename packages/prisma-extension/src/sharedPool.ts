import type { ConnectionInfo, PoolStats } from '@tenure/core';
import { ENGINE } from '@tenure/core/adapter';
import type { Pool } from '@tenure/core/pg';
import { PendingWork } from './pendingWork.js';

/** The pool of a client, as `prisma.$pool`. After `$disconnect()` it shows the closed pool, until a query makes the next one. */
export interface PrismaPool {
  /** Present figures, counters since the pool was made, and the source of each setting. */
  stats(): PoolStats;
  /** Every connection: its backend, state, age, idle time, uses and checks. */
  connections(): ConnectionInfo[];
  /** Replaces every connection, gracefully: idle ones now, the others when they come back. */
  invalidate(): void;
  /**
   * Closes the pool: waits until pending work has ended, up to a time limit, and refuses later work until `$disconnect()`.
   *
   * @param timeoutMs milliseconds after which connections that are still in use are dropped; default: no limit
   */
  drain(timeoutMs?: number): Promise<void>;
  /** The pool itself, a `pg.Pool`. Each `$disconnect()` ends it, so keep no reference. */
  readonly current: Pool;
}

/** How the pools of a factory are made and closed. */
export interface PoolSource {
  make(): Pool;
  /** Called when the last client has released the pool. */
  done(pool: Pool): Promise<void>;
}

/** One pool for all clients of an adapter factory. It is made when first needed, and ended when the last of them disconnects. */
export class SharedPool implements PrismaPool {
  readonly #source: PoolSource;
  #pool: Pool | undefined;
  #users = 0;
  /** Pending work of all clients of the factory. */
  readonly work = new PendingWork();
  /** Whether a client has ever connected. */
  wasUsed = false;

  constructor(source: PoolSource) {
    this.#source = source;
  }

  /** The engine of the present pool. */
  get [ENGINE](): unknown {
    return (this.current as { [ENGINE]?: unknown })[ENGINE];
  }

  get current(): Pool {
    this.#pool ??= this.#source.make();
    return this.#pool;
  }

  stats(): PoolStats {
    return this.current.stats();
  }

  connections(): ConnectionInfo[] {
    return this.current.connections();
  }

  invalidate(): void {
    this.current.invalidate();
  }

  drain(timeoutMs?: number): Promise<void> {
    return this.current.drain(timeoutMs);
  }

  /** The pool for one more client, and the function by which that client releases it. */
  take(): { pool: Pool; release: () => Promise<void> } {
    if (this.#pool?.ending) this.#replace();
    const pool = this.current;
    this.#users++;
    this.wasUsed = true;
    let held = true;
    const release = async () => {
      if (!held) return;
      held = false;
      // A replaced pool has been closed already.
      if (pool !== this.#pool || --this.#users > 0) return;
      await this.#source.done(pool);
    };
    return { pool, release };
  }

  #replace(): void {
    this.#pool = undefined;
    this.#users = 0;
  }
}
