import { autoLimit } from '../fleet/shares.js';
import type { Connections } from './connections.js';
import type { Context } from './context.js';
import type { PoolEntry } from './entry.js';
import type { Hunger } from './hunger.js';
import { guestWarning } from './messages.js';
import type { Shortage } from './shortage.js';
import { NoSlotError, type SlotLocks } from './slotLocks.js';
import type { Slots } from './slots.js';
import type { WaitQueue } from './waitQueue.js';

/**
 * How long a connection that was opened without a slot waits for one. By then the other members have lent idle ones. The first
 * connection of a pool waits longer: by then they have counted the fleet twice and given one.
 */
const LINGER_MS = 1_500;
const FIRST_LINGER_MS = 3_500;
const LINGER_STEP_MS = 100;
/** The pause between two connections that are opened without a slot, and between two attempts of a guest. It doubles, less up to a quarter. */
const SHORTEST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 5_000;
/**
 * While all connections are in use: how long to wait for one to come back before another is opened for the budget's statements.
 * The first is for free room, the second for a shortage of slots.
 */
const PATIENCE_MS = 200;
const PATIENCE_WHEN_SHORT_MS = 2_000;
/** How often a guest whose callers wait tries to get a slot. */
const HASTE_MS = 100;
/** Slots that are taken together with a pool's first one, for callers that wait already. */
const AHEAD = 2;

interface Parts<C extends object> {
  readonly connections: Connections<C>;
  readonly queue: WaitQueue<C>;
  readonly slots: Slots<C>;
  readonly locks: SlotLocks<C>;
  readonly shortage: Shortage<C>;
  readonly hunger: Hunger<C>;
}

/** How a connection gets its slot, and keeps it: one that was reserved for it, or one of its own if the pool has no connection to reserve it on. */
export class Joining<C extends object> {
  readonly #context: Context<C>;
  readonly #parts: Parts<C>;
  #retryMs = SHORTEST_RETRY_MS;
  #mayFrom = Number.NEGATIVE_INFINITY;
  #hasWarned = false;

  constructor(context: Context<C>, parts: Parts<C>) {
    this.#context = context;
    this.#parts = parts;
  }

  /** The earliest moment at which a connection may be opened without a slot. */
  get mayFrom(): number {
    return this.#mayFrom;
  }

  /** Whether a connection may be opened without a slot: the pool's first, or one for the budget's statements while all others are in use for long. */
  mayOpen(now: number): boolean {
    const { isJoinDue, isEmpty, isJoining, guests } = this.#parts.slots;
    return (isEmpty || isJoinDue) && !isJoining && guests === 0 && now >= this.#mayFrom;
  }

  /**
   * When the pool stops waiting for a connection to come back on which it could run its statements.
   *
   * @param wantedSince since when connections are needed while no connection was free for that; `Infinity` if none is needed
   */
  patientUntil(wantedSince: number): number {
    const { slots, shortage } = this.#parts;
    const isWaiting =
      wantedSince < Number.POSITIVE_INFINITY && !slots.isJoining && !slots.isJoinDue && slots.guests === 0;
    if (!isWaiting) return Number.POSITIVE_INFINITY;
    const patienceMs = shortage.isOn ? PATIENCE_WHEN_SHORT_MS : PATIENCE_MS;
    return Math.max(this.#mayFrom, slots.isEmpty ? 0 : wantedSince + patienceMs);
  }

  /** Queries the server's limits on the first connection of the pool. @returns why slots cannot be held there */
  async survey(connection: C, signal: AbortSignal): Promise<string | undefined> {
    const { shortage, slots, locks } = this.#parts;
    if (shortage.limit !== undefined && !slots.isEmpty) return undefined;
    const found = await locks.survey(connection, signal);
    if ('obstacle' in found) return found.obstacle;
    if (this.#context.policy.budget === 'auto') shortage.setLimit(autoLimit(found));
    return undefined;
  }

  /**
   * Gives a new connection its slot.
   *
   * @throws NoSlotError when no slot is free, and the pool has another connection or is strict
   */
  async enter(entry: PoolEntry<C>, connection: C, signal: AbortSignal): Promise<void> {
    const { slots, locks } = this.#parts;
    const reserved = slots.reservationOf(entry);
    if (reserved && (await locks.inherit(connection, reserved.slot, reserved.by.connection, signal)))
      return slots.inherited(entry, this.#context.runtime.now());
    slots.handBack(entry);
    return this.#join(entry, connection, signal);
  }

  /** A guest takes the slot that it lacks, if one is free. */
  async endGuest(entry: PoolEntry<C>, connection: C, signal: AbortSignal): Promise<void> {
    const { slots, locks, shortage, hunger, queue } = this.#parts;
    const { runtime } = this.#context;
    if ((await shortage.take(entry, connection, 1, signal)) === 0) {
      return slots.becomeGuest(entry, runtime.now() + (queue.length > 0 ? HASTE_MS : this.#nextRetryMs()));
    }
    await locks.enter(connection, signal);
    this.#retryMs = SHORTEST_RETRY_MS;
    hunger.begin();
  }

  /** Whether this session, whose locks may have been released, still has its slot, or has it again. */
  async keep(entry: PoolEntry<C>, connection: C, signal: AbortSignal): Promise<boolean> {
    const { slots, locks, hunger } = this.#parts;
    const slot = slots.slotOf(entry);
    hunger.lost(entry);
    slots.lostReservations(entry);
    const isKept = slot === undefined || (await locks.keep(connection, slot, signal));
    slots.judged(entry, isKept);
    return isKept;
  }

  /** Finds the pool's sessions that have lost their slots. */
  async audit(connection: C, signal: AbortSignal): Promise<void> {
    const { slots, locks } = this.#parts;
    const { connector } = this.#context;
    const holders = await locks.audit(connection, signal);
    slots.audited((entry) => holders.has(connector.processId?.(entry.connection) ?? -1));
  }

  async #join(entry: PoolEntry<C>, connection: C, signal: AbortSignal): Promise<void> {
    const { runtime, policy } = this.#context;
    const { queue, connections, slots, locks, shortage } = this.#parts;
    const isFirst = slots.isEmpty;
    const lingersUntil = runtime.now() + Math.min(isFirst ? FIRST_LINGER_MS : LINGER_MS, policy.connectTimeoutMs / 2);
    for (let isShown = false; ; isShown = true) {
      const ahead = Math.max(0, Math.min(AHEAD, queue.length - 1, policy.maxConnections - connections.size));
      const taken = await shortage.take(entry, connection, 1 + (shortage.isOn ? 0 : ahead), signal);
      if (taken > 0) {
        await locks.enter(connection, signal);
        if (isShown) await locks.hideHunger(connection, signal);
        this.#retryMs = SHORTEST_RETRY_MS;
        return;
      }
      if (isFirst && !policy.budgetStrict) return this.#becomeGuest(entry, connection, signal);
      // A pool that has connections first shows its hunger on one of those.
      const mayWait = isFirst || shortage.isOn;
      shortage.begin();
      if (!mayWait || runtime.now() >= lingersUntil) break;
      if (!isShown) await locks.showHunger(connection, signal);
      await pause(this.#context, LINGER_STEP_MS, signal);
    }
    this.#mayFrom = runtime.now() + this.#nextRetryMs();
    throw new NoSlotError();
  }

  async #becomeGuest(entry: PoolEntry<C>, connection: C, signal: AbortSignal): Promise<void> {
    const { slots, shortage, hunger } = this.#parts;
    const { runtime, events } = this.#context;
    slots.becomeGuest(entry, runtime.now() + HASTE_MS);
    shortage.begin();
    await hunger.show(entry, connection, signal);
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    events.warn({ code: 'TENURE_BUDGET_GUEST', message: guestWarning(shortage.limit!) });
  }

  #nextRetryMs(): number {
    const retryMs = this.#retryMs * (1 - this.#context.runtime.random() / 4);
    this.#retryMs = Math.min(2 * this.#retryMs, LONGEST_RETRY_MS);
    return retryMs;
  }
}

/** A pause that ends early when the connect is cancelled. */
function pause<C extends object>({ runtime }: Context<C>, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      timer.cancel();
      reject(signal.reason);
    };
    const timer = runtime.after(ms, () => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    });
    signal.addEventListener('abort', onAbort);
  });
}
