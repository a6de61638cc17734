import { afterNews, type Freshness, freshness, type News } from '../lifecycle/freshness.js';
import { isOfAge, keepsConnections, wornOut } from '../lifecycle/retirement.js';
import type { RetireReason } from '../lifecycle/state.js';
import type { Roster } from './connections.js';
import type { Context } from './context.js';
import type { Slot } from './entry.js';
import type { Renewal } from './opener.js';
import { CheckRefusedError, checkOne, closeOne, dropOne, ReadOnlyServerError, tidyOne } from './operations.js';
import type { Callers } from './waitQueue.js';

/** A check or a return that takes longer than this no longer counts as supply; another connection is checked or opened meanwhile. */
const LATE_MS = 100;

/** A connection that ends this soon, and unused, might as well not have been opened. */
const EARLY_MS = 1_000;

/** What the exchange asks of the pool around it. */
export interface ExchangeHost<C> {
  /** Opens what is missing for the callers who are still in line. */
  grow(now: number): void;
  /** A connection was checked out. */
  taken(slot: Slot<C>): void;
  /** A connection waits to be reused. */
  parked(slot: Slot<C>, now: number): void;
  /** A connection ended before it was of use to anyone. */
  endedUnused(slot: Slot<C>, cause: Error | undefined): void;
  /** A place has come free for good. */
  gone(): void;
}

/**
 * Where callers and connections meet. Whatever makes a connection fresh (a return, a check that passed, an open that succeeded) serves the
 * oldest caller; nothing is tied to the caller that caused it.
 */
export class Exchange<C extends object> {
  readonly #context: Context<C>;
  readonly #roster: Roster<C>;
  readonly #callers: Callers<C>;
  readonly #renewal: Renewal<C>;
  readonly #host: ExchangeHost<C>;
  /** From now on nothing is kept. */
  isClosing = false;

  constructor(context: Context<C>, roster: Roster<C>, callers: Callers<C>, renewal: Renewal<C>, host: ExchangeHost<C>) {
    this.#context = context;
    this.#roster = roster;
    this.#callers = callers;
    this.#renewal = renewal;
    this.#host = host;
  }

  /** Brings callers and connections together, and opens what is missing. */
  pump(now: number): void {
    if (this.isClosing) return;
    this.#serve(now);
    // One that is full may hold a place for a connect that is to be given up.
    if (!this.#roster.isFull || this.#roster.opening > 0) this.#host.grow(now);
    this.#context.membership.lacks(this.#roster.lacking(this.#callers.waiting));
  }

  /** Checks the hottest idle connection out, if it can be handed out as it is. */
  takeFresh(now: number, stack: string | undefined): Promise<C> | undefined {
    const slot = this.#hottestFresh(now);
    if (slot) this.#checkOut(slot, now, stack);
    return slot?.promised;
  }

  /** A caller gives a connection back. */
  takeBack(slot: Slot<C>, error: unknown, now: number): void {
    const { connector, policy, questions } = this.#context;
    const { connection, lost } = slot;
    if (lost || connector.isOpen?.(connection) === false) {
      this.retire(slot, 'broken', lost?.cause ?? error);
      // Whoever held it when it was lost has had the news told already.
      if (!lost) this.#lossIsNews(undefined, now);
      return this.pump(now);
    }
    const status = connector.transactionStatus?.(connection) ?? 'idle';
    const clean = error === undefined && status === 'idle';
    // What the borrower asked was answered.
    if (clean && questions.areOpen) questions.answered(slot.takenAt);
    if (!clean || policy.reset === 'session') return this.#tidy(slot, clean);
    // Of its epoch nothing is known: it may have been held, and not used, since the last news.
    slot.idleSince = slot.heardAt = now;
    slot.move('returned');
    // Whether it looks open was asked above.
    this.#offer(slot, now, connector.validate === undefined, this.#worn(slot, now));
  }

  /** A connection was opened. */
  welcome(slot: Slot<C>, now: number): void {
    this.#offer(slot, now, true);
    this.pump(now);
  }

  /** The driver says that a connection has ended. */
  lost(slot: Slot<C>, cause: Error | undefined): void {
    const now = this.#context.runtime.now();
    switch (slot.kind) {
      case 'opening':
        // The opener is responsible for it.
        slot.lost = { cause };
        break;
      case 'used':
        // The caller will give it back.
        slot.lost = { cause };
        this.#lossIsNews(cause, now);
        this.pump(now);
        break;
      case 'idle':
      case 'checking':
      case 'returning':
        this.retire(slot, 'broken', cause);
        this.#lossIsNews(cause, now);
        this.#endedInCare(slot, cause, now);
    }
  }

  /** The driver says that the server of a connection takes no writes any more. */
  readOnly(slot: Slot<C>): void {
    const now = this.#context.runtime.now();
    slot.readOnly = true;
    if (slot.kind === 'idle') this.retire(slot, 'read-only');
    this.doubt('read-only', now);
    this.pump(now);
  }

  /** Something has happened that calls every connection into question: what is idle is checked now, side by side, the rest before its next use. */
  doubt(news: News, now: number): void {
    const { policy, counters } = this.#context;
    if (this.isClosing || !policy.healthChecks) return;
    const epoch = afterNews(this.#roster.epoch, news, policy, now);
    if (epoch === this.#roster.epoch) return;
    this.#roster.epoch = epoch;
    counters.epochs++;
    for (const slot of this.#roster.idle.coldestFirst()) this.#check(slot, this.#need(slot, now));
  }

  /** The end of one connection, unless it concerns that session alone. */
  #lossIsNews(cause: Error | undefined, now: number): void {
    if (this.#context.connector.classifyLoss?.(cause) !== 'session') this.doubt('disconnect', now);
  }

  /** A server that ends connections as soon as it has them is not asked for another over and over. */
  #endedInCare(slot: Slot<C>, cause: Error | undefined, now: number): void {
    if (slot.uses === 0 && now - slot.bornAt <= EARLY_MS) this.#host.endedUnused(slot, cause);
    this.pump(now);
  }

  /** Asks the server something else on a connection that waits to be reused: it is checked by that, too. */
  askOver(slot: Slot<C>, question: (connection: C, signal: AbortSignal) => Promise<void>): void {
    this.#check(slot, 'ask', question);
  }

  /** Asks the server on an idle connection, however lately it was heard from. */
  keepAlive(slot: Slot<C>): void {
    this.#check(slot, 'ask');
  }

  /** Checks an idle connection; if it passes, it serves whoever has waited longest by then. */
  #check(slot: Slot<C>, need: Freshness, question?: (connection: C, signal: AbortSignal) => Promise<void>): void {
    if (this.#isDisturbed(slot)) return this.#tidy(slot, false);
    const { connector, counters, policy } = this.#context;
    const { epoch } = this.#roster;
    const forWrites = policy.writable || slot.epoch < epoch.writesInDoubtSince;
    this.#roster.idle.remove(slot);
    slot.move('checking');
    slot.checks++;
    counters.checksDone++;
    this.#follow(slot, () => checkOne(this.#context, slot.connection, { need, forWrites, question }), {
      succeeded: (at) => {
        // Of the epoch in which it was asked: there may have been news since.
        if (need === 'ask' || !connector.ping) slot.heard(at, epoch.number);
        slot.move('ready');
        // A process that was stopped in the middle of listening has heard nothing.
        if (this.#need(slot, at) === 'ask') this.#park(slot, at);
        else this.#offer(slot, at, true);
      },
      failed: (error, at) => {
        counters.checksFailed++;
        const isReadOnly = error instanceof ReadOnlyServerError;
        this.retire(slot, isReadOnly ? 'read-only' : 'failed-check', error);
        if (!(error instanceof CheckRefusedError)) this.doubt(isReadOnly ? 'read-only' : 'disconnect', at);
      },
    });
  }

  /** Takes a connection out of service and closes it. The caller pumps, so that the pool makes up for it. */
  retire(slot: Slot<C>, reason: RetireReason, cause?: unknown): void {
    const { connector, counters, announcer, runtime } = this.#context;
    if (slot.kind === 'idle') this.#roster.idle.remove(slot);
    slot.move({ retire: reason });
    counters.closed[reason]++;
    announcer.tell('closing', slot.connection, reason, cause);
    const isDead = reason === 'broken' || reason === 'failed-check';
    if (isDead && connector.abort) {
      dropOne(connector, slot.connection);
      return this.#gone(slot, reason);
    }
    // The process must not exit between a drain and its last goodbye.
    if (this.isClosing) connector.ref?.(slot.connection);
    void closeOne(this.#context, slot.connection).then(() => {
      this.#gone(slot, reason);
      this.pump(runtime.now());
    });
  }

  #serve(now: number): void {
    while (this.#callers.waiting > 0) {
      const fresh = this.#hottestFresh(now);
      if (fresh) {
        this.#serveOldest(fresh, now);
        continue;
      }
      const stale = this.#roster.idle.top;
      if (stale === undefined || this.#roster.expected >= this.#callers.waiting) return;
      this.#check(stale, this.#need(stale, now));
    }
  }

  #serveOldest(slot: Slot<C>, now: number): void {
    const caller = this.#callers.takeOldest(now);
    this.#checkOut(slot, now, caller.stack);
    caller.resolve(slot.connection);
  }

  #checkOut(slot: Slot<C>, now: number, stack: string | undefined): void {
    const { connector, counters, policy } = this.#context;
    slot.taken(now, stack);
    counters.acquired++;
    if (slot.uses > 1) counters.reused++;
    if (policy.exitOnIdle) connector.ref?.(slot.connection);
    this.#host.taken(slot);
  }

  /** The hottest idle connection, off the stack, if it can be handed out as it is. What has worn out on top of it is retired. */
  #hottestFresh(now: number): Slot<C> | undefined {
    const { idle } = this.#roster;
    for (let slot = idle.top; slot; slot = idle.top) {
      const reason = this.#unfit(slot, now);
      if (reason) {
        this.retire(slot, reason);
      } else if (this.#isDisturbed(slot)) {
        this.#tidy(slot, false);
      } else if (this.#need(slot, now) === 'fresh') {
        idle.pop();
        return slot;
      } else {
        return undefined;
      }
    }
    return undefined;
  }

  /** Why an idle connection may not serve. */
  #unfit(slot: Slot<C>, now: number): RetireReason | undefined {
    return this.#context.connector.isOpen?.(slot.connection) === false ? 'broken' : this.#worn(slot, now);
  }

  /** Why a connection that looks open may not serve. */
  #worn(slot: Slot<C>, now: number): RetireReason | undefined {
    if (this.isClosing) return 'closing';
    const { policy } = this.#context;
    const reason = wornOut(slot, this.#roster.generation, policy);
    if (reason || !isOfAge(slot, now)) return reason;
    return !keepsConnections(policy) || this.#renewal.lets(slot, now) ? 'max-age' : undefined;
  }

  /** How far a connection must be checked before reuse. What the driver cannot do, nobody asks for. */
  #need(slot: Slot<C>, now: number): Freshness {
    const { ping, isOpen, validate } = this.#context.connector;
    const { epoch } = this.#roster;
    const { policy } = this.#context;
    let need = freshness(slot, epoch, policy, now);
    // What a check takes matters only when there would be one.
    if (need === 'ask') need = freshness(slot, epoch, policy, now, this.#context.questions.roundTripMs);
    if (need === 'fresh' && !validate) return 'fresh';
    if (need === 'ask' && ping) return 'ask';
    if (need !== 'fresh' && isOpen) return 'listen';
    return validate ? 'listen' : 'fresh';
  }

  /** A connection that was heard from this moment serves the oldest caller, waits for one, or goes. */
  #offer(
    slot: Slot<C>,
    now: number,
    validated = this.#context.connector.validate === undefined,
    unfit = this.#unfit(slot, now),
  ): void {
    const isTooMany =
      this.#roster.isOverfull || this.#context.membership.claims(this.#callers.waiting > 0, now - slot.bornAt);
    const reason = unfit ?? (isTooMany ? 'overflow' : undefined);
    if (reason) this.retire(slot, reason);
    else if (validated && this.#callers.waiting > 0) return this.#serveOldest(slot, now);
    else this.#park(slot, now);
    if (reason || this.#callers.waiting > 0) this.pump(now);
  }

  #park(slot: Slot<C>, now: number): void {
    const { connector, policy } = this.#context;
    this.#roster.idle.add(slot);
    if (policy.exitOnIdle) connector.unref?.(slot.connection);
    this.#host.parked(slot, now);
  }

  /** Whether something was sent on a connection that nobody holds: whoever got it now would be in the middle of that. */
  #isDisturbed({ connection }: Slot<C>): boolean {
    const { connector, policy } = this.#context;
    if (connector.finish === undefined) return false;
    const status = connector.transactionStatus?.(connection) ?? 'idle';
    const isOpen = status === 'transaction' || status === 'failed-transaction';
    return status === 'active' || (isOpen && policy.reset !== 'none');
  }

  /** A connection that must be looked at: something failed, a query is unfinished, or a transaction is open. */
  #tidy(slot: Slot<C>, clean: boolean): void {
    const { epoch } = this.#roster;
    if (slot.kind === 'idle') this.#roster.idle.remove(slot);
    slot.move('tidying');
    this.#follow(slot, () => tidyOne(this.#context, slot.connection, clean), {
      succeeded: (at, { rolledBack, renewed }) => {
        if (rolledBack) this.#reportRollback(slot);
        if (renewed) this.#roster.replace(slot, renewed);
        slot.idleSince = at;
        slot.heard(at, epoch.number);
        slot.move('ready');
        if (this.#isDisturbed(slot)) this.#tidy(slot, false);
        else this.#offer(slot, at);
      },
      failed: (error) => this.retire(slot, 'broken', error),
    });
  }

  #reportRollback(slot: Slot<C>): void {
    this.#context.counters.rolledBack++;
    this.#context.announcer.tell('rollback', slot.connection);
  }

  /** Runs an operation on a connection and carries on when it ends, unless the connection was retired meanwhile. */
  #follow<T>(
    slot: Slot<C>,
    operation: () => Promise<T>,
    then: { succeeded: (at: number, result: T) => void; failed: (error: unknown, at: number) => void },
  ): void {
    const { runtime, clock } = this.#context;
    const stage = slot.state;
    slot.late = false;
    const lateness = runtime.after(LATE_MS, () => {
      slot.late = true;
      this.pump(runtime.now());
    });
    const carryOn = (proceed: (at: number) => void) => {
      lateness.cancel();
      if (slot.state !== stage) return;
      const at = clock.read();
      proceed(at);
      this.pump(at);
    };
    operation().then(
      (result) => carryOn((at) => then.succeeded(at, result)),
      (error) => carryOn((at) => then.failed(error, at)),
    );
  }

  #gone(slot: Slot<C>, reason: RetireReason): void {
    this.#roster.forget(slot);
    this.#context.membership.freed();
    this.#context.announcer.tell('closed', slot.connection, reason);
    this.#host.gone();
  }
}
