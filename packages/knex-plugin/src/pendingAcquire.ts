import type { Pool } from '@tenure/core';

export interface AcquireListener<C> {
  acquired(connection: C): void;
  failed(error: unknown): void;
}

/**
 * Tarn's answer to `acquire()`. Knex itself never aborts one: an AbortSignal for each would cost it more than the acquire does. So a caller
 * who gives up is told so at once, and what the pool brings later goes back.
 */
export class PendingAcquire<C extends object> {
  readonly promise: Promise<C>;
  #fail!: (error: unknown) => void;

  constructor(pool: Pool<C>, listener: AcquireListener<C>) {
    let settled = false;
    this.promise = new Promise<C>((resolve, reject) => {
      this.#fail = (error) => {
        if (settled) return;
        settled = true;
        listener.failed(error);
        reject(error);
      };
      pool.acquire().then((connection) => {
        if (settled) return pool.release(connection);
        settled = true;
        listener.acquired(connection);
        resolve(connection);
      }, this.#fail);
    });
  }

  abort(): void {
    this.#fail(new Error('aborted'));
  }
}
