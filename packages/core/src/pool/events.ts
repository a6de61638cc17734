import { EventEmitter } from 'node:events';
import type { CloseReason } from '../lifecycle/state.js';
import { soon } from './clock.js';
import type { ConnectionInfo } from './entry.js';
import type { PoolWarning } from './messages.js';
import type { BudgetStats } from './slotLocks.js';

/** The events of a pool, and their arguments. Acquire and release emit none, which keeps the warm path fast. */
export interface PoolEvents<C> {
  /** A connection is being opened. */
  opening: [];
  /** A connection was opened, in `tookMs`. */
  opened: [connection: C, tookMs: number];
  /** A connect failed. */
  openFailed: [error: unknown];
  /** A connection is being closed, for this reason; `cause` is the error that ended it, if one did; `info` is its record, as of now. */
  closing: [connection: C, reason: CloseReason, cause: unknown, info: ConnectionInfo];
  /** A connection is gone from the pool. */
  closed: [connection: C, reason: CloseReason];
  /** The pool was granted another number of connections, because slots of the budget are short, or no more. */
  budget: [budget: BudgetStats];
  /** An open transaction came back with a connection and was rolled back. */
  rollback: [connection: C];
  /** Without a listener a warning goes to `process.emitWarning`. */
  warning: [warning: PoolWarning];
}

/**
 * Emits a pool's events in the order in which they happened, each after the pool has finished its step. A listener may acquire,
 * release or drain, which would break a step in progress.
 */
export class Events<C> {
  readonly #emitter = new EventEmitter();
  readonly #onWarning: (warning: PoolWarning) => void;

  constructor(onWarning: (warning: PoolWarning) => void) {
    this.#onWarning = onWarning;
  }

  on<E extends keyof PoolEvents<C>>(event: E, listener: (...args: PoolEvents<C>[E]) => void): void {
    this.#emitter.on(event, listener as (...args: unknown[]) => void);
  }

  off<E extends keyof PoolEvents<C>>(event: E, listener: (...args: PoolEvents<C>[E]) => void): void {
    this.#emitter.off(event, listener as (...args: unknown[]) => void);
  }

  emit<E extends keyof PoolEvents<C>>(event: E, ...args: PoolEvents<C>[E]): void {
    // Each listener runs in a microtask of its own: one that throws causes an uncaught exception, and the others are still called.
    for (const listener of this.#emitter.listeners(event)) soon(() => listener(...args));
  }

  /** Emits a warning a moment later, so that an app that has just made the pool can add a listener first. */
  warn(warning: PoolWarning): void {
    soon(() => {
      this.#onWarning(warning);
      if (this.#emitter.listenerCount('warning') > 0) this.emit('warning', warning);
      else process.emitWarning(warning.message, { type: 'TenureWarning', code: warning.code });
    });
  }
}
