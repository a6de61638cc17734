import { keyOf, nameOf } from './names.js';

/** What a text is prepared as. A new one takes its place when the old one must not be used any more, on any connection. */
export interface Statement {
  readonly name: string;
}

interface Entry {
  uses: number;
  renewals: number;
  statement: Statement | undefined;
}

/** A text that the server has refused to go on with this often is left alone: a table that keeps changing gains nothing from a plan. */
const MOST_RENEWALS = 3;

/**
 * The texts that are run, and how often: what is run again and again becomes a statement. One for the whole process, since a migration that
 * one pool meets is news for the others.
 *
 * Bounded: two generations, of which the older one goes when the younger is full. A text that is used stays, at the cost of one look-up.
 */
export class Book {
  readonly #size: number;
  #young = new Map<string, Entry>();
  #old = new Map<string, Entry>();

  /** @param size the texts of one generation */
  constructor(size: number) {
    this.#size = size;
  }

  /** How many texts are known. */
  get texts(): number {
    return this.#young.size + this.#old.size;
  }

  /** Counts a use. Answers with the text's statement, from the use on whose number is `threshold`. */
  use(text: string, threshold: number): Statement | undefined {
    const key = keyOf(text);
    const entry = this.#young.get(key) ?? this.#enter(key);
    entry.uses++;
    if (entry.statement === undefined && entry.uses >= threshold && entry.renewals <= MOST_RENEWALS)
      entry.statement = { name: nameOf(text) };
    return entry.statement;
  }

  /**
   * The server would not run this statement of the text any more. What has changed for one has changed for others, and not all of them would
   * be refused: some would take a value for one of the old type.
   */
  renew(text: string, statement: Statement): void {
    const key = keyOf(text);
    const entry = this.#young.get(key) ?? this.#old.get(key);
    // Queries that were under way meet the same refusal.
    if (entry?.statement !== statement) return;
    entry.renewals++;
    this.renewAll();
  }

  /** Tables have changed: whatever is used next is prepared anew, on every connection. */
  renewAll(): void {
    for (const generation of [this.#young, this.#old])
      for (const entry of generation.values()) entry.statement = undefined;
  }

  #enter(key: string): Entry {
    const entry = this.#old.get(key) ?? { uses: 0, renewals: 0, statement: undefined };
    if (this.#young.size >= this.#size) {
      this.#old = this.#young;
      this.#young = new Map();
    } else {
      this.#old.delete(key);
    }
    this.#young.set(key, entry);
    return entry;
  }
}
