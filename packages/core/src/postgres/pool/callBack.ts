import { nextTick } from '../../pool/runtime.js';

/** Calls the app back. What it throws is an uncaught exception, as with pg-pool, and not a promise's rejection. */
export function callBack<A extends unknown[]>(callback: (...args: A) => void, ...args: A): void {
  try {
    callback(...args);
  } catch (error) {
    throwOutside(error);
  }
}

/** Throws where no one can catch it, so that a bug of the app's surfaces and stops nothing of ours. */
export function throwOutside(error: unknown): void {
  nextTick(() => {
    throw error;
  });
}
