import { createHash } from 'node:crypto';
import type { Described } from './describeOnce.js';
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

/** A statement that the server has under some name. */
interface Copy extends Described {
  /** What it was prepared as; undefined once it must not be used any more. */
  statement: Statement | undefined;
  /** The session's environment at that time: in another one the same text may mean something else. */
  readonly environment: number;
  /** The number of its last use among all uses. */
  lastUse: number;
}

/** The prepared statements of one session. */
export class KeptStatements {
  readonly #copies = new Map<string, Copy>();
  #uses = 0;

  get size(): number {
    return this.#copies.size;
  }

  /** This very statement, if it is ready to be used; it now is the one used last. */
  use(statement: Statement, environment: number): Described | undefined {
    const copy = this.#copies.get(statement.name);
    if (copy?.statement !== statement || copy.environment !== environment) return undefined;
    copy.lastUse = ++this.#uses;
    return copy;
  }

  add(statement: Statement, environment: number): Described {
    const copy: Copy = { statement, environment, columns: undefined, lastUse: ++this.#uses };
    this.#copies.set(statement.name, copy);
    return copy;
  }

  /** Whether the server has a statement of this name: one to use, or one to close. */
  has(name: string): boolean {
    return this.#copies.has(name);
  }

  /** Looked for when one must go, and not kept track of at each use: a use must cost next to nothing. */
  get leastRecent(): string | undefined {
    let least: string | undefined;
    let lastUse = Number.POSITIVE_INFINITY;
    for (const [name, copy] of this.#copies) {
      if (copy.lastUse >= lastUse) continue;
      least = name;
      ({ lastUse } = copy);
    }
    return least;
  }

  /** The server still has it, but it must not be used any more. False if that was known. */
  expire(name: string): boolean {
    const copy = this.#copies.get(name);
    if (copy?.statement === undefined) return false;
    copy.statement = undefined;
    return true;
  }

  /** The server has it no more. */
  delete(name: string): void {
    this.#copies.delete(name);
  }
}

/** The longest text that is kept to recognise a query by; of a longer one its hash is. */
const LONGEST_KEY = 2_048;
/** 96 bits: no two texts of one session will meet. */
const NAME_DIGITS = 24;

/** What a query text is recognised by: a short one by itself, so that nothing is hashed for it again and again. */
export function keyOf(text: string): string {
  return text.length > LONGEST_KEY ? hash(text) : text;
}

/** The name of a text's statement: the same in every process and on every connection. */
export function nameOf(text: string): string {
  return `tenure_${hash(text).slice(0, NAME_DIGITS)}`;
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
