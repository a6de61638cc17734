import type { Pool, PoolEvents } from '@tenure/core';
import { type Lending, PendingAcquire } from './pendingAcquire.js';
import { type TarnEventMap, TarnEvents, type TarnLog } from './tarnEvents.js';

/** Gives Knex's runner what it needs to share a connection; see `KnexReads`. */
interface RunnerLender {
  lend<R extends object>(runner: R, builder: object, client: object): R;
}

/** The pool in the form that Knex and its tools expect: the public methods and events of tarn, over Tenure's engine. */
export class TarnPool<C extends object> {
  readonly #events: TarnEvents<C>;
  /** `undefined` unless the policy allows reads to share connections. */
  reads: RunnerLender | undefined;
  #lastEventId = 0;
  #reaping = false;
  #destroyed: Promise<void> | undefined;
  readonly #lending: Lending<C>;
  /** Removes the listeners from the engine, which others may go on using. */
  readonly #stopListening: (() => void)[] = [];

  /**
   * @param closeErrors the errors of connections that could not be closed properly, which the engine drops without emitting them
   * @param log `pool.log` of the app's config
   * @param lending the engine, or this Knex's part of an engine that others use as well
   */
  constructor(
    readonly engine: Pool<C>,
    closeErrors: WeakMap<C, unknown>,
    log: TarnLog | undefined,
    lending: Lending<C> = engine,
  ) {
    this.#lending = lending;
    this.#events = new TarnEvents(log);
    this.#emitOpening();
    this.#emitClosing(closeErrors);
  }

  get min(): number {
    return this.engine.policy.minConnections;
  }

  get max(): number {
    return this.engine.policy.maxConnections;
  }

  acquire(): PendingAcquire<C> {
    const eventId = ++this.#lastEventId;
    this.#events.emit('acquireRequest', eventId);
    return new PendingAcquire(this.#lending, {
      acquired: (connection) => this.#events.emit('acquireSuccess', eventId, connection),
      failed: (error) => this.#events.emit('acquireFail', eventId, error),
    });
  }

  /** Returns `false` for a connection that is not checked out, as in tarn. */
  release(connection: C): boolean {
    this.#events.emit('release', connection);
    try {
      this.#lending.release(connection);
      return true;
    } catch (error) {
      // Compared by code: the pool may come from another copy of the core.
      if (error instanceof Error && 'code' in error && error.code === 'TENURE_USAGE') return false;
      throw error;
    }
  }

  /** Closes the pool once its connections are back. A second call waits for the first. */
  destroy(): Promise<void> {
    this.#destroyed ??= this.#destroy();
    return this.#destroyed;
  }

  /** Does nothing. In tarn it closes idle connections, which Tenure's maintenance does by itself. */
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
    this.#events.emit('poolDestroyRequest', eventId);
    this.#reap(false);
    await this.#lending.drain();
    for (const stop of this.#stopListening) stop();
    this.#events.emit('poolDestroySuccess', eventId);
    this.#events.emitter.removeAllListeners();
  }

  /** The engine's events do not name their attempt. If there are several, the oldest is assumed to end first. */
  #emitOpening(): void {
    const attempts: number[] = [];
    const next = () => attempts.shift() ?? ++this.#lastEventId;
    this.#on('opening', () => {
      attempts.push(++this.#lastEventId);
      this.#events.emit('createRequest', this.#lastEventId);
    });
    this.#on('opened', (connection) => {
      this.#events.emit('createSuccess', next(), connection);
      this.#reap(true);
    });
    this.#on('openFailed', (error) => this.#events.emit('createFail', next(), error));
  }

  #on<E extends keyof PoolEvents<C>>(event: E, listener: (...args: PoolEvents<C>[E]) => void): void {
    this.engine.on(event, listener);
    this.#stopListening.push(() => void this.engine.off(event, listener));
  }

  #emitClosing(closeErrors: WeakMap<C, unknown>): void {
    const eventIds = new Map<C, number>();
    this.#on('closing', (connection) => {
      eventIds.set(connection, ++this.#lastEventId);
      this.#events.emit('destroyRequest', this.#lastEventId, connection);
    });
    this.#on('closed', (connection) => {
      const eventId = eventIds.get(connection)!;
      eventIds.delete(connection);
      const error = closeErrors.get(connection);
      if (error === undefined) this.#events.emit('destroySuccess', eventId, connection);
      else this.#events.emit('destroyFail', eventId, connection, error);
      if (this.isEmpty()) this.#reap(false);
    });
  }

  /**
   * tarn looks for idle connections only while it has connections. Tenure's maintenance has no such start and stop, so the events
   * follow the number of connections.
   */
  #reap(reaping: boolean): void {
    if (this.#reaping === reaping) return;
    this.#reaping = reaping;
    this.#events.emit(reaping ? 'startReaping' : 'stopReaping');
  }
}
