import { createHash } from 'node:crypto';
import type { UnpreparedReason } from '../../pool/connector.js';
import type { ParameterQuery } from '../pgTypes.js';
import { Quantile, type ShortRead } from '../pipeline/shortRead.js';
import { SlowPlanDetector } from './benefit.js';
import type { ResultShape } from './describeOnce.js';
import { LONGEST_PREPARED, MOST_PARAMETERS, readText, type TextFacts } from './text.js';

/** The prepared form of a text. It is replaced when it must not be used any more, on any connection. */
export interface Statement {
  readonly name: string;
}

/** A text whose statements the server has refused more often is not prepared any more: a table that keeps changing gains nothing from a plan. */
const MOST_REFUSALS = 3;

/** A text that was run, how often, and the results of its runs. */
export class CountedText {
  readonly facts: TextFacts;
  readonly slowPlan = new SlowPlanDetector();
  /** Set for a text that may be sent on a shared connection, if the policy allows that. */
  shortRead: ShortRead | undefined;
  uses = 0;
  /** Why its runs show that it must not be prepared: the types of its parameters, until the schema changes, or because it is slower. */
  unfit: 'parameters' | 'slower' | undefined;
  #refusals = 0;
  #statement: Statement | undefined;

  constructor(text: string) {
    this.facts = readText(text);
  }

  /** The prepared form of the text; `undefined` if the server has refused it too often. */
  statementFor(text: string): Statement | undefined {
    if (this.#statement === undefined && this.#refusals <= MOST_REFUSALS) this.#statement = { name: nameOf(text) };
    return this.#statement;
  }

  /** Why this query must not be prepared on any connection. */
  unfitReason({ text, values }: ParameterQuery, preparesWrites: boolean): UnpreparedReason | undefined {
    const { kind } = this.facts;
    if (kind === 'write' ? !preparesWrites : kind !== 'read') return kind as UnpreparedReason;
    if (text.length > LONGEST_PREPARED || values.length > MOST_PARAMETERS) return 'size';
    return this.unfit;
  }

  /** Called when the server has refused this statement. Returns false if another query had met that before, since several are in flight. */
  noteRefusal(statement: Statement): boolean {
    if (this.#statement !== statement) return false;
    this.#refusals++;
    return true;
  }

  /** Called when the schema has changed: the text's parameters may have other types, and its names another meaning. */
  expire(): void {
    this.#statement = undefined;
    if (this.unfit === 'parameters') this.unfit = undefined;
  }
}

/**
 * How often each text was run, since a repeated one is prepared. There is one table for each database, because a migration that
 * one pool notices concerns the others.
 *
 * Two generations bound the table: the older one is dropped when the younger one is full. A text in use stays, at the cost of one
 * look-up.
 */
export class TextCounts {
  /** The median duration of prepared reads, in milliseconds. */
  readonly usual = new Quantile(0.5, 0.01);
  readonly #size: number;
  #young = new Map<string, CountedText>();
  #old = new Map<string, CountedText>();

  /** @param size the texts of one generation */
  constructor(size: number) {
    this.#size = size;
  }

  /** How many texts are counted. */
  get texts(): number {
    return this.#young.size + this.#old.size;
  }

  /** The entry of a text. The first time, the text is parsed. */
  get(text: string): CountedText {
    const key = keyOf(text);
    return this.#young.get(key) ?? this.#insert(key, text);
  }

  /** Called when the schema has changed: each text is prepared anew at its next use, on every connection. */
  expireAll(): void {
    for (const generation of [this.#young, this.#old]) for (const known of generation.values()) known.expire();
  }

  #insert(key: string, text: string): CountedText {
    const known = this.#old.get(key) ?? new CountedText(text);
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

/** A statement that the session has. */
interface CachedStatement extends ResultShape {
  /** The form that it was prepared as; `undefined` once it must not be used any more. */
  statement: Statement | undefined;
  /** The number of the session's environment at that time. In another one the same text may mean something else. */
  readonly environment: number;
  /** The running number of its last use. */
  lastUse: number;
}

/** The prepared statements of one session. */
export class SessionCache {
  readonly #statements = new Map<string, CachedStatement>();
  #uses = 0;

  get size(): number {
    return this.#statements.size;
  }

  /** Returns the shape of this statement, if it may be used, and makes it the most recently used one. */
  use(statement: Statement, environment: number): ResultShape | undefined {
    const cached = this.#statements.get(statement.name);
    if (cached?.statement !== statement || cached.environment !== environment) return undefined;
    cached.lastUse = ++this.#uses;
    return cached;
  }

  add(statement: Statement, environment: number): ResultShape {
    const cached: CachedStatement = { statement, environment, columns: undefined, lastUse: ++this.#uses };
    this.#statements.set(statement.name, cached);
    return cached;
  }

  /** Whether the session has a statement of this name, to use or to close. */
  has(name: string): boolean {
    return this.#statements.has(name);
  }

  /** The statement to close next. It is searched for only then, because an order that is kept at each use would cost more. */
  get leastRecent(): string | undefined {
    let least: string | undefined;
    let lastUse = Number.POSITIVE_INFINITY;
    for (const [name, cached] of this.#statements) {
      if (cached.lastUse >= lastUse) continue;
      least = name;
      ({ lastUse } = cached);
    }
    return least;
  }

  /** Called when the session still has the statement, but it must not be used any more. Returns false if it had expired before. */
  expire(name: string): boolean {
    const cached = this.#statements.get(name);
    if (cached?.statement === undefined) return false;
    cached.statement = undefined;
    return true;
  }

  /** Called when the session does not have the statement any more. */
  delete(name: string): void {
    this.#statements.delete(name);
  }
}

/** A longer text is recognised by its hash, so that it does not take up room in the table. */
const LONGEST_KEY = 2_048;
/** 96 bits: two texts of one session will not have the same name. */
const NAME_DIGITS = 24;

/** The key of a text in the table. A short text is its own key, since a hash at each use would cost more. */
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
