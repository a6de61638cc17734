import type { Slot } from './slot.js';

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
