import type { ConnectionInfo, PoolStats } from '@tenure/core';
import type { Pool } from '@tenure/core/pg';
import { WorkUnderWay } from './workUnderWay.js';

/** The governed pool of a client, as `prisma.$pool`. After `$disconnect()` it shows the pool that was, until a query makes the next one. */
export interface PrismaPool {
  /** Figures of this moment, counters since the pool was made, and where each setting came from. */
  stats(): PoolStats;
  /** Every connection: its backend, state, age, idle time, uses and checks. */
  connections(): ConnectionInfo[];
  /** Replaces every connection, gracefully: idle ones now, the others when they come back. */
  invalidate(): void;
  /**
   * Closes the pool: lets work finish, up to a time limit, and refuses what comes after, until `$disconnect()`.
   *
   * @param timeoutMs how long work may take to finish before its connections are dropped; default: no limit
   */
  drain(timeoutMs?: number): Promise<void>;
  /** The pool itself, a `pg.Pool`. Each `$disconnect()` ends it; keep no reference. */
  readonly current: Pool;
}

/** How the pools of a factory come and go. */
export interface PoolSource {
  make(): Pool;
  /** Nobody uses this pool any more. */
  done(pool: Pool): Promise<void>;
}

/** One pool for all clients of an adapter factory: made when first needed, ended when the last of them disconnects. */
export class SharedPool implements PrismaPool {
  readonly #source: PoolSource;
  #pool: Pool | undefined;
  #users = 0;
  /** Of all clients of the factory. */
  readonly work = new WorkUnderWay();
  /** Whether a client has ever connected. */
  wasUsed = false;

  constructor(source: PoolSource) {
    this.#source = source;
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

  /** The pool for one more client, and how that client lets go of it. */
  take(): { pool: Pool; letGo: () => Promise<void> } {
    if (this.#pool?.ending) this.#replace();
    const pool = this.current;
    this.#users++;
    this.wasUsed = true;
    let held = true;
    const letGo = async () => {
      if (!held) return;
      held = false;
      // Clients of a pool that was replaced have been told already.
      if (pool !== this.#pool || --this.#users > 0) return;
      await this.#source.done(pool);
    };
    return { pool, letGo };
  }

  #replace(): void {
    this.#pool = undefined;
    this.#users = 0;
  }
}
