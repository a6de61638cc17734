import { EventEmitter } from 'node:events';

/** The events of Knex's own pool, and their arguments. */
export interface TarnEventMap<C> {
  acquireRequest: [eventId: number];
  acquireSuccess: [eventId: number, connection: C];
  acquireFail: [eventId: number, error: unknown];
  release: [connection: C];
  createRequest: [eventId: number];
  createSuccess: [eventId: number, connection: C];
  createFail: [eventId: number, error: unknown];
  destroyRequest: [eventId: number, connection: C];
  destroySuccess: [eventId: number, connection: C];
  destroyFail: [eventId: number, connection: C, error: unknown];
  startReaping: [];
  stopReaping: [];
  poolDestroyRequest: [eventId: number];
  poolDestroySuccess: [eventId: number];
}

export type TarnLog = (message: string, level: string) => void;

/** Emits events. The error of a listener goes to the pool's log, as in tarn, and the other listeners are still called. */
export class TarnEvents<C> {
  readonly emitter = new EventEmitter();
  readonly #log: TarnLog | undefined;

  constructor(log: TarnLog | undefined) {
    this.#log = log;
  }

  emit<E extends keyof TarnEventMap<C>>(event: E, ...args: TarnEventMap<C>[E]): void {
    if (this.emitter.listenerCount(event) === 0) return;
    for (const listener of this.emitter.listeners(event)) {
      try {
        listener(...args);
      } catch (error) {
        const what = error instanceof Error ? error.stack : String(error);
        this.#log?.(`Tarn: event handler "${event}" threw an exception ${what}`, 'warn');
      }
    }
  }
}
