import { EventEmitter } from 'node:events';
import type { Holder } from '../errors.js';
import type { RetireReason } from '../lifecycle/state.js';
import { soon } from './clock.js';

/** Something the app should look at; nothing has failed yet. */
export interface PoolWarning {
  readonly code:
    | 'TENURE_LEAK'
    | 'TENURE_IDLE_IN_TRANSACTION'
    | 'TENURE_NOT_ACTED_ON'
    | 'TENURE_NOT_CONNECTED'
    | 'TENURE_ROLLED_BACK';
  readonly message: string;
  /** The connections it is about, where it is about some. */
  readonly holders?: readonly Holder[];
}

/** What a pool tells, and with which arguments. Acquire and release tell nothing: they are the warm path. */
export interface PoolEvents<C> {
  /** A connection is being opened. */
  opening: [];
  /** A connection was opened; `tookMs` is how long that took. */
  opened: [connection: C, tookMs: number];
  /** A connect failed. */
  'open-failed': [error: unknown];
  /** A connection is retired, for this reason; `cause` is the error that ended it, if one did. */
  closing: [connection: C, reason: RetireReason, cause: unknown];
  /** A retired connection is gone. */
  closed: [connection: C, reason: RetireReason];
  /** An open transaction came back with a connection and was rolled back. */
  rollback: [connection: C];
  /** Without a listener a warning goes to `process.emitWarning`. */
  warning: [warning: PoolWarning];
}

/**
 * Tells listeners what happened. They hear of it when the engine has finished its step, in the order in which it happened: a listener that
 * acquires, releases or drains never does so in the middle of the engine's work.
 */
export class Announcer<C> {
  readonly #emitter = new EventEmitter();

  on<E extends keyof PoolEvents<C>>(event: E, listener: (...args: PoolEvents<C>[E]) => void): void {
    this.#emitter.on(event, listener as (...args: unknown[]) => void);
  }

  off<E extends keyof PoolEvents<C>>(event: E, listener: (...args: PoolEvents<C>[E]) => void): void {
    this.#emitter.off(event, listener as (...args: unknown[]) => void);
  }

  tell<E extends keyof PoolEvents<C>>(event: E, ...args: PoolEvents<C>[E]): void {
    // One microtask a listener: one that throws surfaces as an uncaught exception, and keeps none of the others from hearing.
    for (const listener of this.#emitter.listeners(event)) soon(() => listener(...args));
  }

  /** A moment later, so that whoever has just made the pool can listen first. */
  warn(warning: PoolWarning): void {
    soon(() => {
      if (this.#emitter.listenerCount('warning') > 0) this.tell('warning', warning);
      else process.emitWarning(warning.message, { type: 'TenureWarning', code: warning.code });
    });
  }
}
