/** Items with the turn in which they were added: a reader gets those of later turns than its last one. */
export class Ring<T> {
  readonly #items: { readonly turn: number; readonly item: T }[] = [];
  readonly #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get last(): T | undefined {
    return this.#items.at(-1)?.item;
  }

  add(turn: number, item: T): void {
    this.#items.push({ turn, item });
    if (this.#items.length > this.#capacity) this.#items.shift();
  }

  since(turn: number): T[] {
    let first = this.#items.length;
    while (first > 0 && this.#items[first - 1]!.turn > turn) first--;
    return this.#items.slice(first).map(({ item }) => item);
  }

  /** Removes the oldest items while this is true of the one after the oldest. The last item stays. */
  dropWhileNext(isOld: (item: T) => boolean): void {
    let count = 0;
    while (count + 1 < this.#items.length && isOld(this.#items[count + 1]!.item)) count++;
    this.#items.splice(0, count);
  }
}
