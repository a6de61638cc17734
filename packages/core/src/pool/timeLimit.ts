import { afterAnswer, deadFrom, nextLook, type Question, questionAsked } from '../lifecycle/liveness.js';
import type { Policy } from '../policy/policy.js';
import { afterTwoTurns, type Runtime, type Timer } from './clock.js';
import type { Connector } from './connector.js';

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

/** What the questions need of the pool. */
interface Surroundings<C extends object> {
  readonly connector: Connector<C>;
  readonly runtime: Runtime;
  readonly policy: Policy;
}

interface OpenQuestion<C> {
  readonly what: string;
  readonly connection: C;
  readonly verdict: AbortController;
  facts: Question;
  timer: Timer | undefined;
}

/**
 * The questions that connections have not answered yet. A slow server is not a dead connection: how long each may be silent depends on what
 * the server answers to others meanwhile (`lifecycle/silence.ts`), and while it answers nobody, it is asked from outside.
 */
export class Questions<C extends object> {
  readonly #context: Surroundings<C>;
  readonly #isStuck: () => boolean;
  readonly #open = new Set<OpenQuestion<C>>();
  /** Ends the looks from outside when no question is open any more. */
  #looking = new AbortController();
  #lookedAt = Number.NEGATIVE_INFINITY;
  /** Some question is open. A field of its own: each return looks at it. */
  areOpen = false;
  /** What the last check took that was answered: a round trip, as they are now. */
  roundTripMs = 0;

  /** @param isStuck whether callers wait while every place is taken by a connection that is silent */
  constructor(context: Surroundings<C>, isStuck: () => boolean) {
    this.#context = context;
    this.#isStuck = isStuck;
  }

  /**
   * Asks something on a connection.
   *
   * @param isUnfinished whether the session is busy with a query that its caller does not wait for
   * @throws TimeLimitError when the connection has been silent for too long: its signal is aborted then
   */
  async ask<T>(
    what: string,
    connection: C,
    run: (signal: AbortSignal) => Promise<T>,
    isUnfinished = false,
  ): Promise<T> {
    const { runtime, policy } = this.#context;
    const facts = questionAsked(runtime.now(), policy, isUnfinished);
    const question: OpenQuestion<C> = { what, connection, verdict: new AbortController(), facts, timer: undefined };
    this.#open.add(question);
    this.areOpen = true;
    this.#setTimer(question);
    try {
      return await withinLimit(
        runtime,
        { what, ms: Number.POSITIVE_INFINITY, cancelled: question.verdict.signal },
        run,
      );
    } finally {
      question.timer?.cancel();
      this.#open.delete(question);
      this.areOpen = this.#open.size > 0;
      if (!this.areOpen) this.#stopLooking();
    }
  }

  /** A check that began at `askedAt` was answered. */
  checked(askedAt: number): void {
    this.roundTripMs = this.#context.runtime.now() - askedAt;
    this.answered(askedAt);
  }

  /** A connect that began at `askedAt` was answered, perhaps with a refusal. */
  connected(askedAt: number): void {
    if (!this.#context.connector.isBehindPooler?.()) this.answered(askedAt);
  }

  /** The server has answered, on a session or beside it, what was asked at `askedAt`. */
  answered(askedAt: number): void {
    const tookMs = this.#context.runtime.now() - askedAt;
    for (const question of this.#open) {
      const facts = afterAnswer(question.facts, askedAt, tookMs);
      if (facts === question.facts) continue;
      question.facts = facts;
      this.#setTimer(question);
    }
  }

  #setTimer(question: OpenQuestion<C>): void {
    const { runtime, policy } = this.#context;
    const now = runtime.now();
    const dead = deadFrom(question.facts, policy);
    const isDark = question.facts.overtakenMs === Number.POSITIVE_INFINITY;
    const due = isDark ? Math.min(dead, nextLook(question.facts, now)) : dead;
    question.timer?.cancel();
    // The answer may have arrived on a blocked event loop, and wait to be read.
    question.timer = runtime.after(Math.max(0, due - now), () =>
      afterTwoTurns(runtime, () => this.#consider(question)),
    );
  }

  #consider(question: OpenQuestion<C>): void {
    if (!this.#open.has(question)) return;
    const { policy, runtime, connector } = this.#context;
    const now = runtime.now();
    if (now >= deadFrom(question.facts, policy)) return giveUp(question, now);
    if (question.facts.overtakenMs === Number.POSITIVE_INFINITY) {
      if (connector.probe && !connector.isBehindPooler?.()) this.#look(connector, question.connection, now);
      // Where nobody can look from outside, there must be room for another connection, whose answers tell as well.
      else if (now - question.facts.askedAt >= policy.healthTimeoutMs && this.#isStuck()) return giveUp(question, now);
    }
    this.#setTimer(question);
  }

  /** One look serves all questions. */
  #look({ probe }: Connector<C>, connection: C, now: number): void {
    if (now - this.#lookedAt < this.#context.policy.healthTimeoutMs / 2) return;
    this.#lookedAt = now;
    const look = async () => probe?.call(this.#context.connector, connection, this.#looking.signal);
    look().then(
      () => this.answered(now),
      // No answer is no evidence: the server may be slow, or refuse what is not a session.
      () => {},
    );
  }

  #stopLooking(): void {
    if (this.#lookedAt === Number.NEGATIVE_INFINITY) return;
    this.#lookedAt = Number.NEGATIVE_INFINITY;
    this.#looking.abort();
    this.#looking = new AbortController();
  }
}

function giveUp<C>({ what, verdict, facts }: OpenQuestion<C>, now: number): void {
  verdict.abort(new TimeLimitError(what, Math.round(now - facts.askedAt)));
}
