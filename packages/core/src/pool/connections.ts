import type { Holder, PoolFigures } from '../errors.js';
import {
  afterConnectBegan,
  afterConnectEnded,
  expiryOf,
  NO_ROTATION,
  nextRotation,
  type RotationState,
  rotate,
  steadyUseMs,
} from '../lifecycle/retirement.js';
import { lossOf } from '../lifecycle/reuse.js';
import { type CloseReason, IDLE, type PoolFacts } from '../lifecycle/state.js';
import { type ConnectionContext, connectionContext } from './channels.js';
import type { Context } from './context.js';
import { type ConnectionInfo, type Counts, PoolEntry } from './entry.js';
import { closeOne, dropOne } from './operations.js';
import { describeConnection, traceOf } from './stats.js';

/** The connections of a pool: the entries, the idle list, and the one way to close. It makes no decisions. */
export class Connections<C extends object> {
  readonly #context: Context<C>;
  readonly #counts: Counts;
  readonly #entries = new Set<PoolEntry<C>>();
  readonly #byConnection = new Map<C, PoolEntry<C>>();
  #lastId = 0;
  readonly idle = new IdleList<C>();
  /** Connections of an older generation are replaced. */
  generation = 0;
  /** Whether the pool closes; a connection that returns is then closed. */
  isClosing = false;

  constructor(context: Context<C>) {
    this.#context = context;
    this.#counts = context.membership.counts;
  }

  /** All taken places. A place is taken from the first attempt to connect until the connection is gone. */
  get entries(): Iterable<PoolEntry<C>> {
    return this.#entries;
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  get opening(): number {
    return this.#counts.opening;
  }

  get closing(): number {
    return this.#counts.closing;
  }

  /** Connections that are open and not being closed. */
  get open(): number {
    const { idle, checking, used, returning } = this.#counts;
    return idle + checking + used + returning;
  }

  get size(): number {
    return this.open + this.#counts.opening;
  }

  /** Whether no more may be opened. A connection that is being closed counts, because the server has it until it is gone. */
  get isFull(): boolean {
    return this.room <= 0;
  }

  /** Connections that may still be opened. */
  get room(): number {
    const { membership, limits } = this.#context;
    return limits.maxConnections - this.#counts.total - membership.taken(limits.maxConnections);
  }

  /** Connections that waiting callers lack, and for which only other pools of a shared limit can make room. */
  lacking(waiting: number): number {
    const { membership, limits } = this.#context;
    if (waiting === 0 || !membership.isShared || this.room > 0) return 0;
    return Math.min(waiting - this.expected - this.opening, limits.maxConnections - this.size);
  }

  /** Whether more are open than the pool may have, because it was made smaller. */
  get isOverfull(): boolean {
    return this.size > this.#context.limits.maxConnections;
  }

  /** Connections that a caller holds, or has just returned. */
  get engaged(): number {
    return this.#counts.used + this.#counts.returning;
  }

  /** Checks and returns under way that are not late. Each is about to serve a caller. */
  get expected(): number {
    if (this.#counts.checking + this.#counts.returning === 0) return 0;
    let expected = 0;
    for (const { kind, late } of this.#entries) {
      if ((kind === 'checking' || kind === 'returning') && !late) expected++;
    }
    return expected;
  }

  get facts(): PoolFacts {
    const { membership, limits } = this.#context;
    return { size: this.size, idle: membership.idle, generation: this.generation, limits };
  }

  /** Takes a place for a connection that is about to be opened. */
  reserve(now: number): PoolEntry<C> {
    const entry = new PoolEntry<C>(this.#counts, ++this.#lastId, this.generation, now);
    this.#entries.add(entry);
    return entry;
  }

  /** Fills a place with its connection, which has just been opened. */
  fill(entry: PoolEntry<C>, connection: C, now: number): void {
    const { policy, runtime, server } = this.#context;
    entry.fill(connection);
    entry.openedAt = entry.idleSince = now;
    entry.spread = runtime.random();
    entry.expiresAt = expiryOf(now, policy, entry.spread);
    entry.answered(now, server.epoch.number);
    this.#byConnection.set(connection, entry);
  }

  /** Puts another client object in the place of this one. It has the same session, and keeps its age. */
  replace(entry: PoolEntry<C>, connection: C): void {
    this.#byConnection.delete(entry.connection);
    entry.fill(connection);
    this.#byConnection.set(connection, entry);
  }

  find(connection: C): PoolEntry<C> | undefined {
    return this.#byConnection.get(connection);
  }

  /** Puts a connection on the idle list. */
  makeIdle(entry: PoolEntry<C>): void {
    const { connector, policy } = this.#context;
    entry.move(IDLE);
    this.idle.add(entry);
    if (policy.exitOnIdle) connector.unref?.(entry.connection);
  }

  /** Closes a connection for a reason. Its place is taken until it is gone. */
  close(entry: PoolEntry<C>, reason: CloseReason, cause?: unknown): void {
    const { connector, counters, events, runtime, loop, uses } = this.#context;
    const { connection } = entry;
    if (uses.areObserved) uses.returned(entry);
    if (entry.kind === 'idle') this.idle.remove(entry);
    this.#countLoss(entry, reason, cause);
    entry.closing(reason);
    counters.closed[reason]++;
    this.#publishClose(reason, cause, () => this.contextOf(entry));
    events.emit('closing', connection, reason, cause, this.describe(entry, runtime.now()));
    const isDead = reason === 'broken' || reason === 'failed-check';
    if (isDead && connector.abort) {
      dropOne(connector, connection);
      return this.#gone(entry, reason);
    }
    // Without this the process could exit between a drain and the end of the last connection.
    if (this.isClosing) connector.ref?.(connection);
    void closeOne(this.#context, connection).then(() => {
      this.#gone(entry, reason);
      loop.request(runtime.now());
    });
  }

  /**
   * Closes a connection that was opened but never was in the pool. It is counted and emitted like any other: as opened, and as
   * closed for a reason.
   */
  async closeUnused(entry: PoolEntry<C>, connection: C, reason: CloseReason, cause?: unknown): Promise<void> {
    const { connector, counters, events, runtime } = this.#context;
    const now = runtime.now();
    counters.opened++;
    events.emit('opened', connection, now - entry.requestedAt);
    counters.closed[reason]++;
    this.#publishClose(reason, cause, () => connectionContext(connector, connection, 0, 0));
    events.emit('closing', connection, reason, cause, this.describe(entry, now));
    const isAnswering = reason === 'read-only' || reason === 'budget';
    if (!isAnswering && connector.abort) dropOne(connector, connection);
    else await closeOne(this.#context, connection);
    events.emit('closed', connection, reason);
  }

  /** Gives up the place of a connect that has failed. */
  forget(entry: PoolEntry<C>): void {
    entry.closed();
    this.#entries.delete(entry);
    this.#context.budget?.gone(entry);
    if (entry.isFilled) this.#byConnection.delete(entry.connection);
    this.#context.membership.freed();
  }

  #countLoss({ connection, kind, idleSince, lost }: PoolEntry<C>, reason: CloseReason, cause: unknown): void {
    const { connector, counters, policy, runtime, membership } = this.#context;
    const closed = {
      reason,
      hasEnded: lost !== undefined || connector.isOpen?.(connection) === false,
      byApp: connector.classifyLoss?.(cause as Error | undefined) === 'app',
      idleMs: kind === 'idle' || kind === 'checking' ? runtime.now() - idleSince : 0,
      owners: membership.owners,
    };
    const loss = lossOf(closed, policy);
    if (loss) counters.lost[loss]++;
  }

  #publishClose(reason: CloseReason, cause: unknown, about: () => ConnectionContext): void {
    const error = cause !== undefined && { error: cause };
    this.#context.channels.publish('tenure:connection:close', () => ({ ...about(), reason, ...error }));
  }

  #gone(entry: PoolEntry<C>, reason: CloseReason): void {
    this.forget(entry);
    this.#context.events.emit('closed', entry.connection, reason);
  }

  /** Called when an open transaction came back with a connection, and was rolled back. */
  rolledBack(entry: PoolEntry<C>): void {
    const { counters, events, channels } = this.#context;
    counters.rolledBack++;
    events.emit('rollback', entry.connection);
    channels.publish('tenure:transaction:rollback', () => this.contextOf(entry));
  }

  figures(waiting: number): PoolFigures {
    const { used, idle, opening, checking, returning, closing } = this.#counts;
    const busy = checking + returning + closing;
    return { used, idle, opening, busy, waiting, max: this.#context.limits.maxConnections };
  }

  /** The data about a connection that the channels publish. */
  contextOf({ connection, openedAt, uses }: PoolEntry<C>): ConnectionContext {
    const { connector, runtime } = this.#context;
    return connectionContext(connector, connection, runtime.now() - openedAt, uses);
  }

  /** The holders of connections, oldest first. */
  holders(now: number): Holder[] {
    const used = [...this.#entries].filter((entry) => entry.kind === 'used');
    return used.sort((a, b) => a.takenAt - b.takenAt).map((entry) => this.holder(entry, now));
  }

  holder(entry: PoolEntry<C>, now: number): Holder {
    const { connector, policy } = this.#context;
    const { connection, takenAt } = entry;
    const processId = connector.processId?.(connection);
    return {
      ...(processId !== undefined && { processId }),
      heldMs: now - takenAt,
      status: connector.transactionStatus?.(connection) ?? 'unknown',
      ...traceOf(entry, connector, policy),
    };
  }

  describe(entry: PoolEntry<C>, now: number): ConnectionInfo {
    return describeConnection(entry, this.#context.connector, this.#context.policy, now);
  }
}

/** The idle connections, last returned on top. So few connections stay in use, and those that are not needed sink and are closed. */
export class IdleList<C> {
  readonly #entries: PoolEntry<C>[] = [];

  get length(): number {
    return this.#entries.length;
  }

  /** The connection that was returned last. */
  get top(): PoolEntry<C> | undefined {
    // Reading element -1 of an empty array would be a slow look-up by name.
    return this.#entries.length === 0 ? undefined : this.#entries[this.#entries.length - 1];
  }

  /** The one that has been idle longest. */
  get bottom(): PoolEntry<C> | undefined {
    return this.#entries[0];
  }

  pop(): void {
    this.#entries.pop();
  }

  /** Adds a connection by the time of its last return. A background ping must not put an old one on top. */
  add(entry: PoolEntry<C>): void {
    let position = this.#entries.length;
    while (position > 0 && (this.#entries[position - 1] as PoolEntry<C>).idleSince > entry.idleSince) position--;
    if (position === this.#entries.length) this.#entries.push(entry);
    else this.#entries.splice(position, 0, entry);
  }

  remove(entry: PoolEntry<C>): void {
    const position = this.#entries.lastIndexOf(entry);
    if (position >= 0) this.#entries.splice(position, 1);
  }

  /** A copy, longest idle first. */
  coldestFirst(): PoolEntry<C>[] {
    return [...this.#entries];
  }
}

/** Replaces expired connections, one at a time, and keeps the state of that. The rules are in `lifecycle/retirement.ts`. */
export class Successors<C extends object> {
  readonly #context: Context<C>;
  readonly #connections: Connections<C>;
  #state: RotationState = NO_ROTATION;

  constructor(context: Context<C>, connections: Connections<C>) {
    this.#context = context;
    this.#connections = connections;
  }

  /** Whether a successor must be opened. */
  get isWanted(): boolean {
    return this.#state.kind === 'wanted';
  }

  /** An expired connection takes its turn in the rotation. @returns whether it must be closed now */
  takeTurn({ idleSince, restedMs }: PoolEntry<C>, now: number): boolean {
    const { policy, limits, alarm } = this.#context;
    const steadyMs = steadyUseMs(policy);
    const expired = {
      isInUse: restedMs < steadyMs && now < idleSince + steadyMs,
      isOfMinimum: this.#connections.open <= limits.minConnections,
      hasRoom: !this.#connections.isFull,
    };
    const { closes, next } = rotate(this.#state, expired, now);
    const wantsNow = next.kind === 'wanted' && this.#state.kind !== 'wanted';
    this.#state = next;
    // The timer starts it, never the middle of the current step.
    if (wantsNow) alarm.setFor(now, now);
    if (!closes) alarm.setFor(nextRotation(next), now);
    return closes;
  }

  connectBegan(now: number): void {
    this.#state = afterConnectBegan(this.#state, now);
  }

  connectEnded(hasOpened: boolean, now: number): void {
    this.#state = afterConnectEnded(this.#state, hasOpened);
    if (this.#state.kind === 'arrived') this.#context.alarm.setFor(now, now);
  }
}
