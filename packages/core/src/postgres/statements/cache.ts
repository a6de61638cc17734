import { createHash } from 'node:crypto';
import type { UnpreparedReason } from '../../pool/connector.js';
import type { ParameterQuery } from '../pgTypes.js';
import { Quantile, type ShortRead } from '../pipeline/shortRead.js';
import { SlowPlanDetector } from './benefit.js';
import type { ResultShape } from './describeOnce.js';
import { LONGEST_PREPARED, MOST_PARAMETERS, readText, type TextFacts } from './text.js';

/** What a text is prepared as. It is replaced when it must not be used any more, on any connection. */
export interface Statement {
  readonly name: string;
}

/** A text whose statements the server has refused more often is not prepared any more: a table that keeps changing gains nothing from a plan. */
const MOST_REFUSALS = 3;

/** A text that was run, how often, and what that has shown. */
export class CountedText {
  readonly facts: TextFacts;
  readonly slowPlan = new SlowPlanDetector();
  /** Of a text that may be sent on a connection which others use, where the policy allows that. */
  shortRead: ShortRead | undefined;
  uses = 0;
  /** Why it is not prepared, as its runs have shown: the types of its parameters, until the schema changes; or that it is slower. */
  unfit: 'parameters' | 'slower' | undefined;
  #refusals = 0;
  #statement: Statement | undefined;

  constructor(text: string) {
    this.facts = readText(text);
  }

  /** What the text is prepared as; `undefined` for one that the server has refused too often. */
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

  /** The server has refused this statement. Returns false if another query had met that before: several are in flight. */
  noteRefusal(statement: Statement): boolean {
    if (this.#statement !== statement) return false;
    this.#refusals++;
    return true;
  }

  /** The schema has changed: the text's parameters may have other types, and its names another meaning. */
  expire(): void {
    this.#statement = undefined;
    if (this.unfit === 'parameters') this.unfit = undefined;
  }
}

/**
 * How often each text was run: one that is repeated is prepared. One table for each database, since a migration that one pool meets concerns
 * the others.
 *
 * Bounded by two generations: the older one is dropped when the younger one is full. A text that is used stays, at the cost of one look-up.
 */
export class TextCounts {
  /** What half of the runs of prepared reads take, in milliseconds. */
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

  /** The schema has changed: each text is prepared anew at its next use, on every connection. */
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
  /** What it was prepared as; `undefined` once it must not be used any more. */
  statement: Statement | undefined;
  /** The number of the session's environment at that time: in another one the same text may mean something else. */
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

  /** Returns this very statement, if it may be used, and makes it the most recently used one. */
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

  /** Whether the session has a statement of this name: one to use, or one to close. */
  has(name: string): boolean {
    return this.#statements.has(name);
  }

  /** Searched for only when a statement must be closed: an order that is kept at each use would cost more. */
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

  /** The session still has the statement, but it must not be used any more. Returns false if it had expired before. */
  expire(name: string): boolean {
    const cached = this.#statements.get(name);
    if (cached?.statement === undefined) return false;
    cached.statement = undefined;
    return true;
  }

  /** The session does not have the statement any more. */
  delete(name: string): void {
    this.#statements.delete(name);
  }
}

/** A longer text is recognised by its hash, so that the table does not grow by it. */
const LONGEST_KEY = 2_048;
/** 96 bits: two texts of one session will not have the same name. */
const NAME_DIGITS = 24;

/** The key of a text in the table. A short text is its own key, since hashing it at each use would cost more. */
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
