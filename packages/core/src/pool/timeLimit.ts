import { afterTwoTurns, type Runtime } from './runtime.js';

/** An operation on a connection took longer than it may. */
export class TimeLimitError extends Error {
  override name = 'TimeLimitError';

  constructor(what: string, limitMs: number) {
    super(`${what} took longer than ${limitMs} ms`);
  }
}

/**
 * Runs an operation under a time limit. When the time is up, or `cancelled` is aborted, the operation's signal is aborted and the promise
 * rejects.
 *
 * On a blocked event loop the answer has often arrived and is not read yet when the timer fires. So the verdict waits two more turns: a
 * process that stalled must not throw its healthy connections away.
 */
export function withinLimit<T>(
  runtime: Runtime,
  limit: { readonly what: string; readonly ms: number; readonly cancelled?: AbortSignal },
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const controller = new AbortController();
    let settled = false;
    const giveUp = (error: unknown) => {
      if (settled) return;
      settle();
      reject(error);
      controller.abort(error);
    };
    const timeIsUp = () => giveUp(new TimeLimitError(limit.what, limit.ms));
    const onCancel = () => giveUp(limit.cancelled?.reason);
    const timer = Number.isFinite(limit.ms)
      ? runtime.after(limit.ms, () => afterTwoTurns(runtime, timeIsUp))
      : undefined;
    const settle = () => {
      settled = true;
      timer?.cancel();
      limit.cancelled?.removeEventListener('abort', onCancel);
    };
    limit.cancelled?.addEventListener('abort', onCancel);
    callAsync(run, controller.signal).then(
      (value) => (settle(), resolve(value)),
      (error) => (settle(), reject(error)),
    );
  });
}

/** A connector that throws is one that rejects. */
async function callAsync<T>(run: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
  return run(signal);
}
