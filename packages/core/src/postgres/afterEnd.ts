import { type PreparingClient, wrapMethod } from './statements/pgInternals.js';

type Callback = (error: unknown, ...rest: unknown[]) => unknown;

/**
 * Gives an error that `pg` makes up for a session which has ended (`not queryable`, `Connection terminated unexpectedly`) the reason of that
 * end as its `cause`. One that has a cause, or is the reason itself, stays as it is.
 */
export function addCause(error: unknown, cause: Error): void {
  if (!(error instanceof Error) || error === cause || error.cause !== undefined) return;
  Object.defineProperty(error, 'cause', { value: cause, configurable: true, writable: true });
}

/** From now on each query that is sent to this client, which has ended, fails with `cause` as the `cause` of its error, in all forms of `query`. */
export function explainEnd(client: object, cause: Error): void {
  const because =
    (callback: Callback): Callback =>
    (error, ...rest) => {
      addCause(error, cause);
      return callback(error, ...rest);
    };
  wrapMethod(client as PreparingClient, 'query', (original) => (...given) => {
    const args = given.map((arg) => (typeof arg === 'function' ? because(arg as Callback) : arg));
    const config = given[0] as { callback?: unknown; submit?: unknown; handleError?: Callback } | null | undefined;
    if (typeof config?.submit === 'function') {
      config.handleError = because((config.handleError as Callback).bind(config));
    } else if (typeof config?.callback === 'function') {
      args[0] = { ...config, callback: because(config.callback as Callback) };
    }
    const result = original().apply(client as PreparingClient, args);
    // Before the caller's own handlers: the error that they get is the same object.
    if (result instanceof Promise) result.catch((error) => addCause(error, cause));
    return result;
  });
}
