import { keyOf, nameOf } from './names.js';
import { Pace } from './pace.js';
import { readText, type TextFacts } from './text.js';

/** What a text is prepared as. A new one takes its place when the old one must not be used any more, on any connection. */
export interface Statement {
  readonly name: string;
}

/** A text that the server has refused to go on with this often is left alone: a table that keeps changing gains nothing from a plan. */
const MOST_RENEWALS = 3;

/** What is known of one text. */
export class KnownText {
  readonly facts: TextFacts;
  readonly pace = new Pace();
  uses = 0;
  /** Why it is not prepared, as its runs have shown: the types of its parameters, until tables change; or that it is slower. */
  unfit: 'parameters' | 'slower' | undefined;
  #renewals = 0;
  #statement: Statement | undefined;

  constructor(text: string) {
    this.facts = readText(text);
  }

  /** What the text is prepared as; nothing for one that the server has refused too often. */
  statementFor(text: string): Statement | undefined {
    if (this.#statement === undefined && this.#renewals <= MOST_RENEWALS) this.#statement = { name: nameOf(text) };
    return this.#statement;
  }

  /** The server would not run this statement any more. False if that was known: queries that were under way meet the same refusal. */
  refused(statement: Statement): boolean {
    if (this.#statement !== statement) return false;
    this.#renewals++;
    return true;
  }

  /** Tables have changed: its parameters may have other types, and its names another meaning. */
  renew(): void {
    this.#statement = undefined;
    if (this.unfit === 'parameters') this.unfit = undefined;
  }
}

/**
 * The texts that are run, and how often: what is run again and again becomes a statement. One for each database, since a migration that one
 * pool meets concerns the others.
 *
 * Bounded: two generations, of which the older one goes when the younger is full. A text that is used stays, at the cost of one look-up.
 */
export class Book {
  readonly #size: number;
  #young = new Map<string, KnownText>();
  #old = new Map<string, KnownText>();

  /** @param size the texts of one generation */
  constructor(size: number) {
    this.#size = size;
  }

  /** How many texts are known. */
  get texts(): number {
    return this.#young.size + this.#old.size;
  }

  /** What is known of a text. It is read when it is met for the first time. */
  of(text: string): KnownText {
    const key = keyOf(text);
    return this.#young.get(key) ?? this.#enter(key, text);
  }

  /** Tables have changed: whatever is used next is prepared anew, on every connection. */
  renewAll(): void {
    for (const generation of [this.#young, this.#old]) for (const known of generation.values()) known.renew();
  }

  #enter(key: string, text: string): KnownText {
    const known = this.#old.get(key) ?? new KnownText(text);
    if (this.#young.size >= this.#size) {
      this.#old = this.#young;
      this.#young = new Map();
    } else {
      this.#old.delete(key);
    }
    this.#young.set(key, known);
    return known;
  }
}
