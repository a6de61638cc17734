import type { PoolEntry } from './entry.js';
import type { SlotLocks } from './slotLocks.js';
import type { Slots } from './slots.js';

/** A pool stays hungry until no caller has waited in vain for this long. */
const FED_AFTER_MS = 200;

const NOT = Number.NEGATIVE_INFINITY;

/** The hunger of this pool: callers wait, and no slot was free. A lock on one of its sessions shows it to the fleet. */
export class Hunger<C> {
  readonly #slots: Slots<C>;
  readonly #locks: SlotLocks<C>;
  #until = NOT;
  /** The connection whose session has that lock. */
  #shownOn: PoolEntry<C> | undefined;

  constructor(slots: Slots<C>, locks: SlotLocks<C>) {
    this.#slots = slots;
    this.#locks = locks;
  }

  /** Whether the pool is hungry. A pool with a guest is, since the guest lacks its own slot. */
  get isOn(): boolean {
    return this.#slots.guests > 0 || this.#until > NOT;
  }

  /** When hunger ends, unless callers wait in vain before; `Infinity` while they do, and without hunger. */
  get until(): number {
    return this.#until === NOT ? Number.POSITIVE_INFINITY : this.#until;
  }

  /** Called when callers wait in vain. A timer while they do would cost more than all statements of a budget that is full. */
  begin(): void {
    this.#until = Number.POSITIVE_INFINITY;
  }

  /** Called when no caller waits in vain any more. */
  fade(now: number): void {
    if (this.#until === Number.POSITIVE_INFINITY) this.#until = now + FED_AFTER_MS;
  }

  /** Ends the hunger when its time is over. */
  tick(now: number): void {
    if (now >= this.#until) this.#until = NOT;
  }

  async show(entry: PoolEntry<C>, connection: C, signal: AbortSignal): Promise<void> {
    if (this.#shownOn) return;
    this.#shownOn = entry;
    await this.#locks.showHunger(connection, signal);
  }

  async hide(connection: C, signal: AbortSignal): Promise<void> {
    this.#shownOn = undefined;
    await this.#locks.hideHunger(connection, signal);
  }

  /** Whether the hunger is over and this connection still has the lock. */
  isToHideOn(entry: PoolEntry<C>): boolean {
    return this.#shownOn === entry && !this.isOn;
  }

  /** Called when this connection has lost the lock, because it is gone or its locks were released. */
  lost(entry: PoolEntry<C>): void {
    if (this.#shownOn === entry) this.#shownOn = undefined;
  }
}
