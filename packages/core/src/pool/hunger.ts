import type { PoolEntry } from './entry.js';
import type { SlotLocks } from './slotLocks.js';
import type { Slots } from './slots.js';

/** A pool is hungry until nobody has waited in vain for this long. */
const FED_AFTER_MS = 200;

const NOT = Number.NEGATIVE_INFINITY;

/** Whether this pool is hungry: callers wait, and no slot was free. A lock on one of its sessions shows that to the fleet. */
export class Hunger<C> {
  readonly #slots: Slots<C>;
  readonly #locks: SlotLocks<C>;
  #until = NOT;
  /** The connection on which hunger is shown. */
  #shownOn: PoolEntry<C> | undefined;

  constructor(slots: Slots<C>, locks: SlotLocks<C>) {
    this.#slots = slots;
    this.#locks = locks;
  }

  /** A guest lacks its own slot, whether or not anyone waits. */
  get isOn(): boolean {
    return this.#slots.guests > 0 || this.#until > NOT;
  }

  /** When it ends, unless callers go on waiting in vain. */
  get until(): number {
    return this.#until;
  }

  begin(now: number): void {
    this.#until = now + FED_AFTER_MS;
  }

  /** Ends it when it is over. */
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

  /** It is over, and this connection still shows it. */
  isToHideOn(entry: PoolEntry<C>): boolean {
    return this.#shownOn === entry && !this.isOn;
  }

  /** This connection does not show it any more: it is gone, or has lost its locks. */
  lost(entry: PoolEntry<C>): void {
    if (this.#shownOn === entry) this.#shownOn = undefined;
  }
}
