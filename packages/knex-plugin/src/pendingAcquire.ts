/** What connections are borrowed from: a pool, or a part of one. */
export interface Lending<C> {
  acquire(): Promise<C>;
  release(connection: C): void;
  drain(): Promise<void>;
}

export interface AcquireListener<C> {
  acquired(connection: C): void;
  failed(error: unknown): void;
}

/**
 * The result of tarn's `acquire()`. `abort` rejects at once, and releases a connection that is acquired later. An AbortSignal for
 * each acquire would cost more than the acquire itself, and Knex never aborts one.
 */
export class PendingAcquire<C extends object> {
  readonly promise: Promise<C>;
  #fail!: (error: unknown) => void;

  constructor(pool: Lending<C>, listener: AcquireListener<C>) {
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
