import type { Holder, PoolFigures } from '../errors.js';
import { FIRST_EPOCH } from '../lifecycle/freshness.js';
import { expiryOf } from '../lifecycle/retirement.js';
import type { PoolFacts } from '../lifecycle/state.js';
import type { Context } from './context.js';
import { type Census, Slot } from './entry.js';

/** Who is in the pool. Knows every connection and its state, and decides nothing. */
export class Roster<C extends object> {
  readonly #context: Context<C>;
  readonly #census: Census;
  readonly #slots = new Set<Slot<C>>();
  readonly #byConnection = new Map<C, Slot<C>>();
  readonly idle = new IdleStack<C>();
  /** Connections of an older generation are replaced. */
  generation = 0;
  /** What was last heard from before this is checked before anyone gets it. */
  epoch = FIRST_EPOCH;

  constructor(context: Context<C>) {
    this.#context = context;
    this.#census = context.membership.census;
  }

  /** Every place that is taken, from the first attempt to connect until the connection is gone. */
  get slots(): Iterable<Slot<C>> {
    return this.#slots;
  }

  get isEmpty(): boolean {
    return this.#slots.size === 0;
  }

  get opening(): number {
    return this.#census.opening;
  }

  get closing(): number {
    return this.#census.closing;
  }

  /** Connections that are open and not being closed. */
  get alive(): number {
    const { idle, checking, used, returning } = this.#census;
    return idle + checking + used + returning;
  }

  get size(): number {
    return this.alive + this.#census.opening;
  }

  /** No more may be opened. What is being closed counts: the server has it until it is gone. */
  get isFull(): boolean {
    return this.room <= 0;
  }

  /** Connections that may still be opened. */
  get room(): number {
    const { membership, policy } = this.#context;
    return policy.maxConnections - this.#census.total - membership.taken(policy.maxConnections);
  }

  /** Connections that callers in line lack, and for which only other pools can make room. */
  lacking(waiting: number): number {
    const { membership, policy } = this.#context;
    if (waiting === 0 || !membership.isShared || this.room > 0) return 0;
    return Math.min(waiting - this.expected - this.opening, policy.maxConnections - this.size);
  }

  /** More are open than the pool may have, because it was made smaller. */
  get isOverfull(): boolean {
    return this.size > this.#context.policy.maxConnections;
  }

  /** Connections that a caller holds, or has just given back. */
  get engaged(): number {
    return this.#census.used + this.#census.returning;
  }

  /** Checks and returns under way that are not late: each is about to serve a caller. */
  get expected(): number {
    if (this.#census.checking + this.#census.returning === 0) return 0;
    let expected = 0;
    for (const { kind, late } of this.#slots) {
      if ((kind === 'checking' || kind === 'returning') && !late) expected++;
    }
    return expected;
  }

  get facts(): PoolFacts {
    return { size: this.size, idle: this.#context.membership.idle, generation: this.generation };
  }

  /** Makes a place for a connection that is about to be opened. */
  reserve(now: number): Slot<C> {
    const slot = new Slot<C>(this.#census, this.generation, now);
    this.#slots.add(slot);
    return slot;
  }

  /** Fills a place with its connection. */
  fill(slot: Slot<C>, connection: C, now: number): void {
    const { policy, runtime } = this.#context;
    const spread = runtime.random();
    slot.opened(connection, now, { expiresAt: expiryOf(now, policy, spread), spread });
    slot.heard(now, this.epoch.number);
    this.#byConnection.set(connection, slot);
  }

  /** Puts another connection in the place of this one: the same session, which keeps its age. */
  replace(slot: Slot<C>, connection: C): void {
    this.#byConnection.delete(slot.connection);
    slot.filled(connection);
    this.#byConnection.set(connection, slot);
  }

  find(connection: C): Slot<C> | undefined {
    return this.#byConnection.get(connection);
  }

  /** Gives a place up: its connect failed, or its connection is gone. */
  forget(slot: Slot<C>): void {
    slot.move('gone');
    this.#slots.delete(slot);
    if (slot.connection !== undefined) this.#byConnection.delete(slot.connection);
  }

  figures(waiting: number): PoolFigures {
    const { used, idle, opening, checking, returning, closing } = this.#census;
    const busy = checking + returning + closing;
    return { used, idle, opening, busy, waiting, max: this.#context.policy.maxConnections };
  }

  /** Who holds connections, oldest first. */
  holders(now: number): Holder[] {
    const used = [...this.#slots].filter((slot) => slot.kind === 'used');
    return used.sort((a, b) => a.takenAt - b.takenAt).map((slot) => this.holder(slot, now));
  }

  holder({ connection, takenAt, stack }: Slot<C>, now: number): Holder {
    const { connector, policy } = this.#context;
    const processId = connector.processId?.(connection);
    // What a connection ran may be long; only a leak report asks for it.
    const wantsStatement = policy.leakAfterMs !== Number.POSITIVE_INFINITY;
    const lastStatement = wantsStatement ? connector.lastStatement?.(connection) : undefined;
    return {
      ...(processId !== undefined && { processId }),
      heldMs: now - takenAt,
      status: connector.transactionStatus?.(connection) ?? 'unknown',
      ...(stack !== undefined && { stack }),
      ...(lastStatement !== undefined && { lastStatement }),
    };
  }
}

/**
 * The connections that wait to be reused, last returned on top: the hot set stays small, and what is not needed sinks and is closed.
 */
export class IdleStack<C> {
  readonly #slots: Slot<C>[] = [];

  get length(): number {
    return this.#slots.length;
  }

  get top(): Slot<C> | undefined {
    // Asking an empty array for its element -1 would be a slow look-up by name.
    return this.#slots.length === 0 ? undefined : this.#slots[this.#slots.length - 1];
  }

  /** The one that has been idle longest. */
  get bottom(): Slot<C> | undefined {
    return this.#slots[0];
  }

  pop(): void {
    this.#slots.pop();
  }

  /** Puts a connection where its last return belongs: a background check must not make a cold connection look hot. */
  add(slot: Slot<C>): void {
    let position = this.#slots.length;
    while (position > 0 && (this.#slots[position - 1] as Slot<C>).idleSince > slot.idleSince) position--;
    if (position === this.#slots.length) this.#slots.push(slot);
    else this.#slots.splice(position, 0, slot);
  }

  remove(slot: Slot<C>): void {
    const position = this.#slots.lastIndexOf(slot);
    if (position >= 0) this.#slots.splice(position, 1);
  }

  /** A copy, longest idle first. */
  coldestFirst(): Slot<C>[] {
    return [...this.#slots];
  }
}
