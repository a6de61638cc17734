/** Items with the turn in which they were added. A reader gets those of turns after its last one. */
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

  /** Removes the oldest item as long as `isOld` is true of the one after it. The last item stays. */
  dropWhileNext(isOld: (item: T) => boolean): void {
    let count = 0;
    while (count + 1 < this.#items.length && isOld(this.#items[count + 1]!.item)) count++;
    this.#items.splice(0, count);
  }
}
