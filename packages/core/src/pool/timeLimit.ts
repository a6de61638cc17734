import { afterAnswer, deadAt, nextProbe, type PendingRequest, pendingCheck } from '../lifecycle/liveness.js';
import { afterTwoTurns, type Runtime, type Timer } from './clock.js';
import { type Connector, isPooler } from './connector.js';
import type { Context } from './context.js';

/** An operation on a connection took longer than it may. */
export class TimeLimitError extends Error {
  override name = 'TimeLimitError';

  constructor(what: string, limitMs: number) {
    super(`${what} took longer than ${limitMs} ms`);
  }
}

/**
 * Runs an operation under a time limit. When the time is up, or `cancelled` is aborted, the operation's signal is aborted and the
 * promise rejects.
 *
 * On a blocked event loop the answer has often arrived, but is not read yet when the timer fires. So the time is up two turns
 * later: otherwise a process that stalled would close its healthy connections.
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

/** Makes a connector's exception a rejection. */
async function callAsync<T>(run: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
  return run(signal);
}

interface PendingCheck<C> {
  readonly what: string;
  readonly connection: C;
  /** Aborted when the connection counts as dead. */
  readonly dead: AbortController;
  request: PendingRequest;
  timer: Timer | undefined;
}

/**
 * The checks and resets that have not been answered yet. A slow server is not a dead connection: how long each may be silent
 * depends on the server's answers on other connections meanwhile (`lifecycle/liveness.ts`). While there are none, a probe from
 * outside tests the server.
 */
export class PendingChecks<C extends object> {
  readonly #context: Context<C>;
  readonly #isStuck: () => boolean;
  readonly #pending = new Set<PendingCheck<C>>();
  /** Ends the probes when no check is pending any more. */
  #probing = new AbortController();
  #probedAt = Number.NEGATIVE_INFINITY;
  /** Whether any check is pending. A field, because each return reads it. */
  arePending = false;

  /** @param isStuck whether callers wait while every place is taken by a connection that is silent */
  constructor(context: Context<C>, isStuck: () => boolean) {
    this.#context = context;
    this.#isStuck = isStuck;
  }

  /**
   * Runs a check or a reset on a connection.
   *
   * @param isUnfinished whether the session is busy with a query whose caller does not wait
   * @throws TimeLimitError when the connection has been silent for too long: its signal is aborted then
   */
  async run<T>(
    what: string,
    connection: C,
    run: (signal: AbortSignal) => Promise<T>,
    isUnfinished = false,
  ): Promise<T> {
    const { runtime, policy } = this.#context;
    const request = pendingCheck(runtime.now(), policy, isUnfinished);
    const check: PendingCheck<C> = { what, connection, dead: new AbortController(), request, timer: undefined };
    this.#pending.add(check);
    this.arePending = true;
    this.#setTimer(check);
    try {
      return await withinLimit(runtime, { what, ms: Number.POSITIVE_INFINITY, cancelled: check.dead.signal }, run);
    } finally {
      check.timer?.cancel();
      this.#pending.delete(check);
      this.arePending = this.#pending.size > 0;
      if (!this.arePending) this.#stopProbing();
    }
  }

  /** Called when a ping that was sent at `sentAt` was answered. */
  pinged(sentAt: number): void {
    this.#context.server.roundTripMs = this.#context.runtime.now() - sentAt;
    this.answered(sentAt);
  }

  /** Called when a connect that began at `sentAt` was answered, perhaps with a refusal. */
  connected(sentAt: number): void {
    if (!isPooler(this.#context.connector.pooler?.())) this.answered(sentAt);
  }

  /** Called when the server has answered a request of `sentAt`, on a session or beside it. */
  answered(sentAt: number): void {
    const tookMs = this.#context.runtime.now() - sentAt;
    for (const check of this.#pending) {
      const request = afterAnswer(check.request, sentAt, tookMs);
      if (request === check.request) continue;
      check.request = request;
      this.#setTimer(check);
    }
  }

  #setTimer(check: PendingCheck<C>): void {
    const { runtime, policy } = this.#context;
    const now = runtime.now();
    const dead = deadAt(check.request, policy);
    const hasNoEvidence = check.request.overtakenMs === Number.POSITIVE_INFINITY;
    const due = hasNoEvidence ? Math.min(dead, nextProbe(check.request, now)) : dead;
    check.timer?.cancel();
    // After a blocked event loop the answer may wait in the socket.
    check.timer = runtime.after(Math.max(0, due - now), () => afterTwoTurns(runtime, () => this.#consider(check)));
  }

  #consider(check: PendingCheck<C>): void {
    if (!this.#pending.has(check)) return;
    const { policy, runtime, connector } = this.#context;
    const now = runtime.now();
    if (now >= deadAt(check.request, policy)) return giveUp(check, now);
    if (check.request.overtakenMs === Number.POSITIVE_INFINITY) {
      if (connector.probe && !isPooler(connector.pooler?.())) this.#probe(connector, check.connection, now);
      // Without a probe, only the answers of other connections count, so there must be room for one.
      else if (now - check.request.sentAt >= policy.healthTimeoutMs && this.#isStuck()) return giveUp(check, now);
    }
    this.#setTimer(check);
  }

  /** One probe serves all pending checks. */
  #probe({ probe }: Connector<C>, connection: C, now: number): void {
    if (now - this.#probedAt < this.#context.policy.healthTimeoutMs / 2) return;
    this.#probedAt = now;
    const run = async () => probe?.call(this.#context.connector, connection, this.#probing.signal);
    run().then(
      () => this.answered(now),
      // A probe without an answer proves nothing: the server may be slow, or refuse what is not a session.
      () => {},
    );
  }

  #stopProbing(): void {
    if (this.#probedAt === Number.NEGATIVE_INFINITY) return;
    this.#probedAt = Number.NEGATIVE_INFINITY;
    this.#probing.abort();
    this.#probing = new AbortController();
  }
}

function giveUp<C>({ what, dead, request }: PendingCheck<C>, now: number): void {
  dead.abort(new TimeLimitError(what, Math.round(now - request.sentAt)));
}
