import { missing, opensAllowedFrom, opensWanted } from '../lifecycle/growth.js';
import { afterAnswer, isOvertaken, type PendingRequest, pendingConnect } from '../lifecycle/liveness.js';
import type { CloseReason } from '../lifecycle/state.js';
import type { Checkout } from './checkout.js';
import { afterTwoTurns, type Timer } from './clock.js';
import type { Connections, Successors } from './connections.js';
import type { ConnectFailure } from './connector.js';
import type { Context } from './context.js';
import type { Crowding } from './crowding.js';
import type { PoolEntry } from './entry.js';
import { connectRefused, neverConnected } from './messages.js';
import { connectOne, ReadOnlyServerError } from './operations.js';
import { ReuseWatch } from './reuseWatch.js';
import { NoSlotError } from './slotLocks.js';
import type { PendingChecks } from './timeLimit.js';
import type { WaitQueue } from './waitQueue.js';

/** How long a pool that has never connected tries before it warns. */
const WARN_AFTER_MS = 1_000;

/** If a connection ends this soon, and unused, opening it was in vain. */
const EARLY_MS = 1_000;

/** A connect under way. */
interface Attempt {
  /** Aborts the connect. */
  readonly abort: AbortController;
  /** Its state with regard to the answers to other connects. */
  request: PendingRequest;
  isLate: boolean;
}

class OvertakenError extends Error {
  override name = 'OvertakenError';

  constructor() {
    super('The connect was given up: the server has answered a later one, and not this one');
  }
}

class EndedUnusedError extends Error {
  override name = 'EndedUnusedError';

  constructor() {
    super('The server ended the connection as soon as it was open');
  }
}

/** The parts of the pool that an opener works with. */
interface Parts<C extends object> {
  readonly connections: Connections<C>;
  readonly queue: WaitQueue<C>;
  readonly checks: PendingChecks<C>;
  readonly successors: Successors<C>;
  readonly checkout: Checkout<C>;
  readonly crowding: Crowding<C>;
}

/** Opens connections, as many at a time and as often as the rules allow. Refuses callers when connects fail for good. */
export class Opener<C extends object> {
  readonly #context: Context<C>;
  readonly #parts: Parts<C>;
  readonly #attempts = new Map<PoolEntry<C>, Attempt>();
  readonly #reuse: ReuseWatch<C>;
  #isCancelled = false;
  /** When the first connect of this pool began; `undefined` after the first success, or after the warning that none succeeds. */
  #beganAt: number | undefined = Number.POSITIVE_INFINITY;

  constructor(context: Context<C>, parts: Parts<C>) {
    this.#context = context;
    this.#parts = parts;
    this.#reuse = new ReuseWatch(context, () => parts.connections.isClosing);
  }

  /** Opens the missing connections, and sets the timer for the end of a backoff that delays some. */
  grow(now: number): void {
    const { policy, alarm, budget } = this.#context;
    this.#giveUpOvertaken(now);
    const demand = this.#demand(now);
    const wanted = opensWanted(demand, policy, now);
    const admitted = wanted > 0 && budget ? budget.admit(wanted, now) : wanted;
    for (let left = admitted; left > 0; left--) this.#open(now);
    const allowedFrom = opensAllowedFrom(demand);
    if (allowedFrom > now && missing(demand, policy) > 0) alarm.setFor(allowedFrom, now);
  }

  /** Opens one connection for a query of the pool's own, even above the maximum. It then serves like any other, or is closed. */
  openToAsk(now: number, opened: (entry: PoolEntry<C>) => void): void {
    const { budget } = this.#context;
    if (budget?.admitToAsk(now) !== false) this.#open(now, opened);
  }

  /** Cancels every attempt that is under way. */
  cancel(reason: Error): void {
    this.#isCancelled = true;
    for (const { abort } of this.#attempts.values()) abort.abort(reason);
  }

  #demand(now: number) {
    const { membership, server, limits } = this.#context;
    const { connections, queue, successors } = this.#parts;
    const { expected, opening, open, closing } = connections;
    const late = [...this.#attempts.values()].filter(({ isLate }) => isLate).length;
    return {
      waiting: queue.length,
      ...server.refusals(now),
      expected,
      opening: opening - late,
      late,
      open,
      closing,
      elsewhere: membership.taken(limits.maxConnections),
      successor: successors.isWanted,
      atOnce: server.atOnce(now),
      failures: server.failures,
      limits,
    };
  }

  #open(now: number, opened?: (entry: PoolEntry<C>) => void): void {
    const { membership, events, channels } = this.#context;
    membership.connecting();
    const entry = this.#parts.connections.reserve(now);
    this.#context.budget?.begin(entry);
    const attempt: Attempt = { abort: new AbortController(), request: pendingConnect(now), isLate: false };
    this.#attempts.set(entry, attempt);
    if (this.#beganAt !== undefined) this.#beganAt = Math.min(this.#beganAt, now);
    this.#parts.successors.connectBegan(now);
    events.emit('opening');
    const lateness = this.#whenLate(entry, attempt);
    const end = () => {
      lateness.cancel();
      this.#attempts.delete(entry);
    };
    const connect = () => connectOne(this.#context, attempt.abort.signal, this.#listenerFor(entry));
    channels
      .trace('tenure:connection:open', () => ({}), connect)
      .then(
        (connection) => {
          end();
          if (entry.lost) this.#endedWhileOpening(entry, connection, entry.lost.cause);
          else this.#opened(entry, connection, opened);
        },
        (error) => {
          end();
          this.#failed(entry, error);
        },
      );
  }

  #listenerFor(entry: PoolEntry<C>) {
    const { runtime, budget } = this.#context;
    return {
      onLost: (cause?: Error) => this.#lost(entry, cause),
      onReadOnly: () => this.#parts.checkout.readOnly(entry, runtime.now()),
      closeUnused: (connection: C, reason: CloseReason) =>
        this.#parts.connections.closeUnused(entry, connection, reason),
      setUp: budget && ((connection: C, signal: AbortSignal) => this.#setUp(entry, connection, signal)),
    };
  }

  #setUp(entry: PoolEntry<C>, connection: C, signal: AbortSignal): Promise<void> {
    // The server has answered. If it takes long from here on, the cause is the budget.
    this.#beganAt = undefined;
    return this.#context.budget!.setUp(entry, connection, signal);
  }

  #whenLate(entry: PoolEntry<C>, attempt: Attempt): Timer {
    const { runtime, server, loop } = this.#context;
    const notice = () => {
      if (this.#attempts.get(entry) !== attempt) return;
      attempt.isLate = true;
      const now = runtime.now();
      this.#warnIfNeverConnected(now);
      loop.request(now);
    };
    // After a blocked event loop the answer often waits in the socket.
    return runtime.after(server.lateAfterMs, () => afterTwoTurns(runtime, notice));
  }

  /** Cancels a late connect to make room, when the server has answered one that began later. */
  #giveUpOvertaken(now: number): void {
    for (const { abort, request, isLate } of this.#attempts.values()) {
      if (isLate && isOvertaken(request, now)) abort.abort(new OvertakenError());
    }
  }

  #opened(entry: PoolEntry<C>, connection: C, opened: ((entry: PoolEntry<C>) => void) | undefined): void {
    const { clock, runtime, counters, events, server } = this.#context;
    const { connections, successors, checkout } = this.#parts;
    // The clock of the connection's age: an exact one would be ahead of it.
    const now = clock.read();
    const tookMs = runtime.now() - entry.requestedAt;
    server.connected(entry.requestedAt, tookMs, runtime.now());
    this.#beganAt = undefined;
    this.#answered(entry.requestedAt, tookMs);
    connections.fill(entry, connection, now);
    successors.connectEnded(true, now);
    counters.opened++;
    events.emit('opened', connection, tookMs);
    this.#reuse.opened(now);
    if (opened) opened(entry);
    else checkout.opened(entry, now);
  }

  /**
   * Called when the server has answered a connect that began at `sentAt`. The answer counts against earlier connects, and against
   * silent connections.
   */
  #answered(sentAt: number, tookMs: number): void {
    for (const attempt of this.#attempts.values()) attempt.request = afterAnswer(attempt.request, sentAt, tookMs);
    this.#parts.checks.connected(sentAt);
  }

  /** Called when a connection of the pool has ended without being closed. */
  #lost(entry: PoolEntry<C>, cause: Error | undefined): void {
    const { runtime, server, loop } = this.#context;
    const now = runtime.now();
    const wasInPool = this.#parts.checkout.lost(entry, cause, now);
    // The server ends connections as soon as they are open, so the next one waits for a backoff.
    if (wasInPool && entry.uses === 0 && now - entry.openedAt <= EARLY_MS) {
      server.endedEarly(now);
      this.#recordFailure(entry, cause ?? new EndedUnusedError());
    }
    loop.request(now);
  }

  /** Called when the connection ended while it was being opened, after the driver had handed it over. */
  #endedWhileOpening(entry: PoolEntry<C>, connection: C, cause: Error | undefined): void {
    void this.#parts.connections.closeUnused(entry, connection, 'broken', cause);
    this.#context.server.endedEarly(this.#context.runtime.now());
    this.#failed(entry, cause ?? new EndedUnusedError());
  }

  #failed(entry: PoolEntry<C>, error: unknown): void {
    const { runtime, loop } = this.#context;
    const { connections, successors } = this.#parts;
    connections.forget(entry);
    const now = runtime.now();
    successors.connectEnded(false, now);
    // The server works, but the budget is used up.
    if (!(error instanceof NoSlotError)) this.#recordFailure(entry, error);
    if (!this.#isCancelled) this.#refuseWaiters(now);
    loop.request(now);
  }

  /** Refuses callers who wait in vain. On a full server, makes the other pools of this process close idle connections. */
  #refuseWaiters(now: number): void {
    const { server, policy } = this.#context;
    const { connections, queue, crowding } = this.#parts;
    const { failures } = server;
    if (failures === undefined) return;
    const errorFor = (waitedMs: number) => connectRefused(waitedMs, connections.figures(queue.length), failures);
    // A server that is away may be back before the callers' time is up. One that refuses this client will refuse it again.
    const isRefused = server.failFast(connections.open, Number.POSITIVE_INFINITY, policy, now) !== undefined;
    if (isRefused) queue.rejectAll(now, errorFor);
    // Callers who came later may be served with the next secret.
    if (failures.kind === 'login' && connections.open === 0) queue.rejectAll(now, errorFor, failures.beganAt);
    if (failures.kind === 'full') crowding.ask(failures.error, queue.length - connections.expected);
  }

  #recordFailure({ requestedAt: beganAt }: PoolEntry<C>, error: unknown): void {
    if (this.#isCancelled) return;
    const { runtime, counters, events, server } = this.#context;
    counters.openFailures++;
    events.emit('openFailed', error);
    // The server works: it has answered another connect.
    if (error instanceof OvertakenError) return;
    const now = runtime.now();
    const kind = this.#classify(error);
    // A refusal is an answer of the server.
    if (kind !== 'transient') this.#parts.checks.connected(beganAt);
    server.connectFailed({ kind, error, beganAt }, now, runtime.random());
    this.#warnIfNeverConnected(now);
  }

  #warnIfNeverConnected(now: number): void {
    if (this.#beganAt === undefined || now - this.#beganAt < WARN_AFTER_MS) return;
    const { server, events } = this.#context;
    const message = neverConnected(now - this.#beganAt, server.failures);
    this.#beganAt = undefined;
    events.warn({ code: 'TENURE_NOT_CONNECTED', message });
  }

  #classify(error: unknown): ConnectFailure {
    // The next connection may reach the new writer.
    if (error instanceof ReadOnlyServerError) return 'transient';
    return this.#context.connector.classifyConnectError?.(error) ?? 'transient';
  }
}
