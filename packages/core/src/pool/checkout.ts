import { type CheckLevel, checkLevel, type Incident } from '../lifecycle/freshness.js';
import { isExpired, keepsConnections, overfullReason, retireReason } from '../lifecycle/retirement.js';
import { CHECKING, type CloseReason, RETURNING, USED } from '../lifecycle/state.js';
import type { Connections, Successors } from './connections.js';
import type { Context } from './context.js';
import type { PoolEntry } from './entry.js';
import { type Check, CheckRefusedError, checkOne, ReadOnlyServerError, resetOne } from './operations.js';
import type { PendingChecks } from './timeLimit.js';
import type { WaitQueue } from './waitQueue.js';

/** A check or a return that takes longer than this is late: the pool does not count on it, and checks or opens another connection meanwhile. */
const LATE_MS = 100;

/**
 * Lends connections and takes them back. A connection that has just proved to work (a return, a check that passed, a connect that succeeded)
 * goes to the oldest caller in line; no connection is tied to the caller that caused it.
 */
export class Checkout<C extends object> {
  readonly #context: Context<C>;
  readonly #connections: Connections<C>;
  readonly #queue: WaitQueue<C>;
  readonly #checks: PendingChecks<C>;
  readonly #successors: Successors<C>;

  constructor(
    context: Context<C>,
    connections: Connections<C>,
    queue: WaitQueue<C>,
    checks: PendingChecks<C>,
    successors: Successors<C>,
  ) {
    this.#context = context;
    this.#connections = connections;
    this.#queue = queue;
    this.#checks = checks;
    this.#successors = successors;
  }

  /** Lends the idle connection that was returned last, if it can be lent without a check. */
  takeFresh(now: number, stack: string | undefined): Promise<C> | undefined {
    const entry = this.#popFresh(now);
    if (entry) this.#lend(entry, now, stack);
    if (entry && this.#context.uses.areObserved) this.#context.uses.lent(entry, 0);
    return entry?.promise;
  }

  /** Serves the callers in line from idle connections, and checks those that need it. */
  serve(now: number): void {
    while (this.#queue.length > 0) {
      const fresh = this.#popFresh(now);
      if (fresh) {
        this.#serveOldest(fresh, now);
        continue;
      }
      const stale = this.#connections.idle.top;
      if (stale === undefined || this.#connections.expected >= this.#queue.length) return;
      this.#check(stale, this.#checkLevel(stale, now));
    }
  }

  /** Called when a holder returns a connection. */
  takeBack(entry: PoolEntry<C>, error: unknown, now: number): void {
    const { connector, policy, loop, uses } = this.#context;
    const { connection, lost } = entry;
    if (uses.areObserved) uses.returned(entry);
    if (lost || connector.isOpen?.(connection) === false) {
      this.#connections.close(entry, 'broken', lost?.cause ?? error);
      // If the connection ended while it was used, the others were suspected then.
      if (!lost) this.#suspectOthers(undefined, now);
      return loop.request(now);
    }
    const status = connector.transactionStatus?.(connection) ?? 'idle';
    const clean = error === undefined && status === 'idle';
    // The server has answered its holder's queries.
    if (clean && this.#checks.arePending) this.#checks.answered(entry.takenAt);
    if (!clean || policy.reset === 'session') return this.#reset(entry, clean);
    // Its epoch stays: it may have been held, and not used, since the last incident.
    entry.idleSince = entry.answeredAt = now;
    // `isOpen` was read above.
    if (this.#place(entry, now, connector.validate === undefined, true)) loop.request(now);
  }

  /** Called when a connection was opened. */
  opened(entry: PoolEntry<C>, now: number): void {
    this.#place(entry, now, true);
    this.#context.loop.request(now);
  }

  /**
   * Called when the driver reports that a connection has ended.
   *
   * @returns whether it was in the pool: the opener closes one that is opening, and one that is used is closed when its holder
   * returns it
   */
  lost(entry: PoolEntry<C>, cause: Error | undefined, now: number): boolean {
    switch (entry.kind) {
      case 'opening':
        entry.lost = { cause };
        return false;
      case 'used':
        entry.lost = { cause };
        this.#suspectOthers(cause, now);
        return false;
      case 'idle':
      case 'checking':
      case 'returning':
        this.#connections.close(entry, 'broken', cause);
        this.#suspectOthers(cause, now);
        return true;
      default:
        return false;
    }
  }

  /** Called when the driver reports that the server of a connection takes no writes any more. */
  readOnly(entry: PoolEntry<C>, now: number): void {
    entry.readOnly = true;
    if (entry.kind === 'idle') this.#connections.close(entry, 'read-only');
    this.suspectAll('read-only', now);
    this.#context.loop.request(now);
  }

  /** An incident puts every connection in question: idle ones are checked now, side by side, the others before their next use. */
  suspectAll(incident: Incident, now: number): void {
    const { policy, counters, server } = this.#context;
    if (this.#connections.isClosing || !policy.healthChecks) return;
    if (!server.raiseEpoch(incident, policy, now)) return;
    counters.epochs++;
    for (const entry of this.#connections.idle.coldestFirst()) this.#check(entry, this.#checkLevel(entry, now));
  }

  /** Pings an idle connection, however lately the server answered on it. If there is a question, it is sent in the place of the ping. */
  ping(entry: PoolEntry<C>, question?: Check<C>['question']): void {
    this.#check(entry, 'ping', question);
  }

  /** Suspects the other connections when one has ended, unless the cause concerns that session alone. */
  #suspectOthers(cause: Error | undefined, now: number): void {
    const concerns = this.#context.connector.classifyLoss?.(cause) ?? 'server';
    if (concerns === 'server') this.suspectAll('disconnect', now);
  }

  /**
   * Takes the idle connection that was returned last off the idle list, if it can be lent without a check. Those above it that
   * must not be used are closed.
   */
  #popFresh(now: number): PoolEntry<C> | undefined {
    const { idle } = this.#connections;
    for (let entry = idle.top; entry; entry = idle.top) {
      if (this.#closeUnusable(entry, now, this.#isOpen(entry))) continue;
      if (this.#isDisturbed(entry)) {
        this.#reset(entry, false);
        continue;
      }
      if (this.#checkLevel(entry, now) !== 'none') return undefined;
      idle.pop();
      return entry;
    }
    return undefined;
  }

  #serveOldest(entry: PoolEntry<C>, now: number): void {
    const waiter = this.#queue.takeOldest(now);
    this.#lend(entry, now, waiter.stack);
    const { uses } = this.#context;
    if (uses.areObserved) uses.lent(entry, Math.max(0, now - waiter.since));
    waiter.resolve(entry.connection);
  }

  #lend(entry: PoolEntry<C>, now: number, stack: string | undefined): void {
    const { connector, counters, policy, alarm } = this.#context;
    if (entry.uses > 0) entry.restedMs = now - entry.idleSince;
    entry.move(USED);
    entry.takenAt = now;
    entry.stack = stack;
    entry.leakReported = false;
    entry.uses++;
    counters.acquired++;
    if (entry.uses > 1) counters.reused++;
    if (policy.exitOnIdle) connector.ref?.(entry.connection);
    alarm.setFor(now + this.#context.soonest.usedMs, now);
  }

  #isOpen({ connection }: PoolEntry<C>): boolean {
    return this.#context.connector.isOpen?.(connection) !== false;
  }

  /**
   * Closes a connection that must not be used again. One that has expired takes its turn in the rotation.
   *
   * @returns whether it was closed
   */
  #closeUnusable(entry: PoolEntry<C>, now: number, isOpen: boolean): boolean {
    const { policy } = this.#context;
    const { generation, isClosing } = this.#connections;
    let reason: CloseReason | undefined = isOpen ? undefined : 'broken';
    if (isClosing) reason ??= 'closing';
    reason ??= retireReason(entry, generation, policy);
    if (!reason && isExpired(entry, now)) {
      if (!keepsConnections(policy) || this.#successors.takeTurn(entry, now)) reason = 'max-age';
    }
    if (reason) this.#connections.close(entry, reason);
    return reason !== undefined;
  }

  /** The check that is needed before reuse, as far as the driver can check. */
  #checkLevel(entry: PoolEntry<C>, now: number): CheckLevel {
    const { policy, server, connector } = this.#context;
    const { ping, isOpen, validate } = connector;
    let level = checkLevel(entry, server.epoch, policy, now);
    // The duration of a ping matters only if one is needed.
    if (level === 'ping') level = checkLevel(entry, server.epoch, policy, now, server.roundTripMs);
    if (level === 'none' && !validate) return 'none';
    if (level === 'ping' && ping) return 'ping';
    if (level !== 'none' && isOpen) return 'socket';
    return validate ? 'socket' : 'none';
  }

  /** Whether something was sent on a connection without a holder: its next holder would get the answer. */
  #isDisturbed({ connection }: PoolEntry<C>): boolean {
    const { connector, policy } = this.#context;
    if (connector.finish === undefined) return false;
    const status = connector.transactionStatus?.(connection) ?? 'idle';
    const isOpen = status === 'transaction' || status === 'failed-transaction';
    return status === 'active' || (isOpen && policy.reset !== 'none');
  }

  /**
   * Makes a connection that has just proved to work serve the oldest caller, become idle, or close.
   *
   * @returns whether callers or connections may be brought together now
   */
  #place(entry: PoolEntry<C>, now: number, isValidated: boolean, isOpen = this.#isOpen(entry)): boolean {
    if (this.#closeUnusable(entry, now, isOpen)) return true;
    const isWanted = this.#queue.length > 0;
    if (this.#connections.isOverfull) {
      this.#connections.close(entry, overfullReason(this.#connections.size, this.#context.policy));
      return true;
    }
    if (this.#context.membership.claims(isWanted, now - entry.openedAt)) {
      this.#connections.close(entry, 'overflow');
      return true;
    }
    const claim = this.#context.budget?.claim(entry, now);
    if (claim === 'close') {
      this.#connections.close(entry, 'budget');
      return true;
    }
    if (claim) {
      this.#makeIdle(entry, now);
      this.#check(entry, 'ping', claim);
      return isWanted;
    }
    if (isWanted && isValidated) {
      this.#serveOldest(entry, now);
      return false;
    }
    this.#makeIdle(entry, now);
    return isWanted;
  }

  #makeIdle(entry: PoolEntry<C>, now: number): void {
    const { alarm, soonest, membership } = this.#context;
    this.#connections.makeIdle(entry);
    membership.idled();
    alarm.setFor(Math.min(entry.expiresAt, entry.idleSince + soonest.idleMs), now);
  }

  /** Checks a connection. If it passes, it serves the caller who has waited longest by then. */
  #check(entry: PoolEntry<C>, level: CheckLevel, question?: Check<C>['question']): void {
    if (this.#isDisturbed(entry)) return this.#reset(entry, false);
    const { connector, counters, policy, server, channels } = this.#context;
    const { epoch } = server;
    const forWrites = policy.writable || entry.epoch < epoch.writableUnknownBefore;
    if (entry.kind === 'idle') this.#connections.idle.remove(entry);
    entry.move(CHECKING);
    entry.checks++;
    const check = { level, forWrites, question };
    const about = () => ({ ...this.#connections.contextOf(entry), level });
    const run = () => checkOne(this.#context, this.#checks, entry.connection, check);
    this.#follow(entry, () => channels.trace('tenure:connection:check', about, run), {
      succeeded: (at) => {
        counters.checksDone++;
        // The epoch is that of the ping's start, since there may have been an incident meanwhile.
        if (level === 'ping' || !connector.ping) entry.answered(at, epoch.number);
        // If the process was stopped in the middle of a check of the socket, only a ping proves anything.
        if (this.#checkLevel(entry, at) === 'ping') this.#makeIdle(entry, at);
        else this.#place(entry, at, true);
      },
      failed: (error, at) => {
        counters.checksDone++;
        counters.checksFailed++;
        const isReadOnly = error instanceof ReadOnlyServerError;
        this.#connections.close(entry, isReadOnly ? 'read-only' : 'failed-check', error);
        if (isReadOnly) this.suspectAll('read-only', at);
        else if (!(error instanceof CheckRefusedError)) this.#suspectOthers(error as Error, at);
      },
    });
  }

  /** Resets a connection on which something may be left: its holder met an error, a query is unfinished, or a transaction is open. */
  #reset(entry: PoolEntry<C>, clean: boolean): void {
    const { epoch } = this.#context.server;
    if (entry.kind === 'idle') this.#connections.idle.remove(entry);
    entry.move(RETURNING);
    entry.resets++;
    this.#follow(entry, () => resetOne(this.#context, this.#checks, entry.connection, clean), {
      succeeded: (at, { rolledBack, renewed }) => {
        if (rolledBack) this.#connections.rolledBack(entry);
        if (renewed) this.#connections.replace(entry, renewed);
        entry.idleSince = at;
        entry.answered(at, epoch.number);
        if (this.#isDisturbed(entry)) return this.#reset(entry, false);
        this.#place(entry, at, this.#context.connector.validate === undefined);
      },
      failed: (error) => this.#connections.close(entry, 'broken', error),
    });
  }

  /** Runs an operation on a connection, and its continuation at the end, unless the connection was closed meanwhile. */
  #follow<T>(
    entry: PoolEntry<C>,
    operation: () => Promise<T>,
    then: { succeeded: (at: number, result: T) => void; failed: (error: unknown, at: number) => void },
  ): void {
    const { runtime, clock, loop } = this.#context;
    const state = entry.state;
    entry.late = false;
    const lateness = runtime.after(LATE_MS, () => {
      entry.late = true;
      loop.request(runtime.now());
    });
    const carryOn = (proceed: (at: number) => void) => {
      lateness.cancel();
      if (entry.state !== state) return;
      const at = clock.read();
      proceed(at);
      loop.request(at);
    };
    operation().then(
      (result) => carryOn((at) => then.succeeded(at, result)),
      (error) => carryOn((at) => then.failed(error, at)),
    );
  }
}
