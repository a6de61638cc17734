import type { Pool } from '@tenure/core';
import { PendingAcquire } from './pendingAcquire.js';
import { type TarnEventMap, TarnEvents, type TarnLog } from './tarnEvents.js';

/** The pool as Knex and the tools around it know it: the public face of tarn, with Tenure's engine behind it. */
export class TarnPool<C extends object> {
  readonly #events: TarnEvents<C>;
  #lastEventId = 0;
  #reaping = false;
  #destroyed: Promise<void> | undefined;

  /**
   * @param closeErrors why connections could not be closed properly; the engine drops them then, and does not tell
   * @param log `pool.log` of the app's config
   */
  constructor(
    readonly engine: Pool<C>,
    closeErrors: WeakMap<C, unknown>,
    log: TarnLog | undefined,
  ) {
    this.#events = new TarnEvents(log);
    this.#tellOfOpening();
    this.#tellOfClosing(closeErrors);
  }

  get min(): number {
    return this.engine.policy.minConnections;
  }

  get max(): number {
    return this.engine.policy.maxConnections;
  }

  acquire(): PendingAcquire<C> {
    const eventId = ++this.#lastEventId;
    this.#events.tell('acquireRequest', eventId);
    return new PendingAcquire(this.engine, {
      acquired: (connection) => this.#events.tell('acquireSuccess', eventId, connection),
      failed: (error) => this.#events.tell('acquireFail', eventId, error),
    });
  }

  /** `false` for a connection that is not out, as in tarn. */
  release(connection: C): boolean {
    this.#events.tell('release', connection);
    try {
      this.engine.release(connection);
      return true;
    } catch (error) {
      // By its code: the pool may belong to another copy of the core.
      if (error instanceof Error && 'code' in error && error.code === 'TENURE_USAGE') return false;
      throw error;
    }
  }

  /** Closes the pool once its connections are back. A second call waits for the first. */
  destroy(): Promise<void> {
    this.#destroyed ??= this.#destroy();
    return this.#destroyed;
  }

  /** Tarn's round for idle connections. Tenure makes its own rounds, so there is nothing to do. */
  check(): void {}

  isEmpty(): boolean {
    const { used, idle, opening, busy, waiting } = this.engine.figures;
    return used + idle + opening + busy + waiting === 0;
  }

  numUsed(): number {
    return this.engine.figures.used;
  }

  numFree(): number {
    return this.engine.figures.idle;
  }

  numPendingAcquires(): number {
    return this.engine.figures.waiting;
  }

  numPendingValidations(): number {
    return this.engine.connections().filter(({ state }) => state === 'checking').length;
  }

  numPendingCreates(): number {
    return this.engine.figures.opening;
  }

  on<E extends keyof TarnEventMap<C>>(event: E, listener: (...args: TarnEventMap<C>[E]) => void): void {
    this.#events.emitter.on(event, listener as (...args: unknown[]) => void);
  }

  removeListener(event: string, listener: (...args: never[]) => void): void {
    this.#events.emitter.removeListener(event, listener as (...args: unknown[]) => void);
  }

  removeAllListeners(event?: string): void {
    this.#events.emitter.removeAllListeners(event);
  }

  async #destroy(): Promise<void> {
    const eventId = ++this.#lastEventId;
    this.#events.tell('poolDestroyRequest', eventId);
    this.#reap(false);
    await this.engine.drain();
    this.#events.tell('poolDestroySuccess', eventId);
    this.#events.emitter.removeAllListeners();
  }

  /** The engine's events do not say which attempt they are about; where there are several, the oldest is taken to end first. */
  #tellOfOpening(): void {
    const attempts: number[] = [];
    const next = () => attempts.shift() ?? ++this.#lastEventId;
    this.engine
      .on('opening', () => {
        attempts.push(++this.#lastEventId);
        this.#events.tell('createRequest', this.#lastEventId);
      })
      .on('opened', (connection) => {
        this.#events.tell('createSuccess', next(), connection);
        this.#reap(true);
      })
      .on('openFailed', (error) => this.#events.tell('createFail', next(), error));
  }

  #tellOfClosing(closeErrors: WeakMap<C, unknown>): void {
    const eventIds = new Map<C, number>();
    this.engine
      .on('closing', (connection) => {
        eventIds.set(connection, ++this.#lastEventId);
        this.#events.tell('destroyRequest', this.#lastEventId, connection);
      })
      .on('closed', (connection) => {
        const eventId = eventIds.get(connection)!;
        eventIds.delete(connection);
        const error = closeErrors.get(connection);
        if (error === undefined) this.#events.tell('destroySuccess', eventId, connection);
        else this.#events.tell('destroyFail', eventId, connection, error);
        if (this.isEmpty()) this.#reap(false);
      });
  }

  /** Tarn makes rounds for idle connections while it has any. Tenure's upkeep has no such beginning and end; this tells as much. */
  #reap(reaping: boolean): void {
    if (this.#reaping === reaping) return;
    this.#reaping = reaping;
    this.#events.tell(reaping ? 'startReaping' : 'stopReaping');
  }
}
