import { HARMLESS, NO_CALL, READING, READING_PREFIX, words } from './functions.js';

/** What a text may change, as flags. After such a change later queries of the session may mean something else. */
export const Effect = {
  none: 0,
  /** Settings that last until the transaction ends. */
  transaction: 1,
  /** Settings that last until they are set again. */
  settings: 2,
  /** Anything of the session: temporary tables, its statements, its settings. */
  session: 4,
  /** Tables, types, functions or schemas, for all sessions. */
  schema: 8,
} as const;

/** Why a text is never prepared. */
export type Unfit = 'command' | 'function' | 'literal' | 'size';

/** Facts about a text, by its words alone. */
export interface TextFacts {
  /** A single statement that only reads, one that may also write or lock, or why it must not be prepared. */
  readonly kind: 'read' | 'write' | Unfit;
  readonly effect: number;
}

/** A longer text is not parsed, and so may change anything of its session. */
const LONGEST_READ = 1_048_576;
/**
 * A longer text, or one with more parameters, is not prepared: a session keeps up to 60 bytes of a plan for each character of a select list, and
 * half a kilobyte for each parameter (measured in docs/statements.md).
 */
export const LONGEST_PREPARED = 2_048;
export const MOST_PARAMETERS = 64;

/** Characters beyond ASCII are letters, as in PostgreSQL. */
const WORD = /[a-z_0-9$\u0080-\uffff]*/iy;
const NUMBER = /[a-z_0-9.]*/iy;
const SPACE = /[ \t\n\r\f\v]*/y;
const LINE = /[^\n\r]*/y;
const DOLLAR = /\$(?:[a-z_\u0080-\uffff][a-z_0-9\u0080-\uffff]*)?\$/iy;
/** Ends before a comment. */
const OPERATOR = /(?:(?!--|\/\*)[-+*/<>=~!@#%^&|`?])+/y;
const PREFIX = /^(?:[enbx]|u&)$/i;

/** A literal of such characters means the same to every input function, under every setting. */
const PUNCTUATION = /^[ %_,./:;|(){}[\]<>=*+!?#@&~^-]*$/;
/** A literal to the right of one of these is a key, and has no other meaning. */
const KEY_OPERATORS = words('-> ->> #> #>>');

const READS = words('select with values table');
const WRITES = words('insert update delete merge');
/** Statements that change nothing of the session, except through the functions they call. */
const NEUTRAL = words(`
  select with values table insert update delete merge begin start commit end rollback abort savepoint release prepare lock declare fetch move
  close show explain listen unlisten notify copy analyze vacuum checkpoint truncate comment cluster reindex refresh
`);
const SCHEMA_CHANGES = words('create alter drop grant revoke reassign import security');
/** Settings that no result depends on. */
const NEUTRAL_SETTINGS = words(`
  statement_timeout lock_timeout transaction_timeout idle_in_transaction_session_timeout idle_session_timeout application_name
  client_min_messages transaction constraints characteristics
`);
const TEMPORARY = words('temp temporary');
/** A name between one of these and a parenthesis is a table or an alias with a list of columns, not a function. */
const BEFORE_NAMES = words(') into as with recursive table copy');
const HEAD = 5;

/** Parses a text like a server with `standard_conforming_strings`. */
export function readText(text: string): TextFacts {
  if (text.length > LONGEST_READ) return { kind: 'size', effect: Effect.session };
  const reader = new Reader(text);
  const { effect } = reader;
  return { kind: reader.kind, effect };
}

class Reader {
  effect: number = Effect.none;
  readonly #text: string;
  #statements = 0;
  /** The first words of the present statement. */
  #head: string[] = [];
  #isCommand = false;
  #isWrite = false;
  #hasLiteral = false;
  #hasUnknown = false;
  /** Whether `INTO` of a `SELECT` was the last token. */
  #isInto = false;
  /** The last token and the one before it: a word in lower case, a symbol, or `value`. */
  #last = '';
  #before = '';
  /** The name that may be a function's, and the token before it. */
  #name = { word: '', isPlain: false, after: '' };
  /** For each open parenthesis, whether it holds the arguments of `set_config`. */
  readonly #open: boolean[] = [];

  constructor(text: string) {
    this.#text = text;
    let at = 0;
    while (at < text.length) at = this.#token(at);
    this.#endStatement();
  }

  get kind(): TextFacts['kind'] {
    if (this.#statements !== 1 || this.#isCommand) return 'command';
    if (this.#hasUnknown) return 'function';
    if (this.#hasLiteral) return 'literal';
    return this.#isWrite ? 'write' : 'read';
  }

  /** Reads the token that begins at a position. Returns the position of the next one. */
  #token(at: number): number {
    const text = this.#text;
    const char = text[at]!;
    if (char === ' ' || char === '\n') return this.#endOf(SPACE, at + 1);
    if (isLetter(char)) return this.#wordAt(at);
    if (isDigit(char) || (char === '.' && isDigit(text[at + 1]))) return this.#value(this.#endOf(NUMBER, at));
    switch (char) {
      case "'":
        return this.#literal(at + 1, this.#endOfString(at + 1, false), true);
      case '"':
        return this.#quotedAt(at);
      case '$':
        return this.#dollar(at);
      case '-':
        if (text[at + 1] === '-') return this.#endOf(LINE, at);
        break;
      case '/':
        if (text[at + 1] === '*') return this.#endOfComment(at + 2);
        break;
      case '\t':
      case '\r':
      case '\f':
      case '\v':
        return at + 1;
    }
    const next = this.#endOf(OPERATOR, at);
    if (next === at) this.#symbol(char);
    else this.#push(text.slice(at, next));
    return Math.max(next, at + 1);
  }

  #wordAt(at: number): number {
    const text = this.#text;
    let next = this.#endOf(WORD, at);
    if (text[next] === '&') next++;
    const isPrefix = (text[next] === "'" || text[next] === '"') && PREFIX.test(text.slice(at, next));
    if (isPrefix && text[next] === '"') return this.#quotedAt(next);
    if (isPrefix) return this.#literal(next + 1, this.#endOfString(next + 1, /e/i.test(text[at]!)), false);
    if (text[next - 1] === '&') next--;
    this.#word(text.slice(at, next).toLowerCase(), true);
    return next;
  }

  #quotedAt(at: number): number {
    const next = this.#endOfString(at + 1, false, '"');
    this.#word(this.#text.slice(at + 1, next - 1), false);
    return next;
  }

  #dollar(at: number): number {
    const from = this.#endOf(DOLLAR, at);
    if (from === at) return this.#value(this.#endOf(WORD, at + 1));
    const mark = this.#text.slice(at, from);
    return this.#literal(from, this.#endAfter(mark, from), true, mark.length);
  }

  #value(next: number): number {
    this.#push('value');
    return next;
  }

  #endOf(pattern: RegExp, at: number): number {
    pattern.lastIndex = at;
    return pattern.test(this.#text) ? pattern.lastIndex : at;
  }

  #push(token: string): void {
    if (this.#head.length < HEAD && token !== '(') this.#head.push(token);
    this.#before = this.#last;
    this.#last = token;
  }

  #literal(from: number, to: number, isPlain: boolean, closing = 1): number {
    const isHarmless = isPlain && PUNCTUATION.test(this.#text.slice(from, to - closing));
    if (!isHarmless && !KEY_OPERATORS.has(this.#last)) this.#hasLiteral = true;
    this.#push('value');
    return to;
  }

  #word(word: string, isPlain: boolean): void {
    // Qualified names are known only in `pg_catalog`.
    const isQualified = this.#last === '.';
    const after = isQualified ? this.#name.after : this.#last;
    const isKnown = isQualified ? this.#name.word === 'pg_catalog' : true;
    this.#name = { word: isKnown ? word : '', isPlain: isPlain && !isQualified, after };
    if (this.#isInto) this.effect |= isPlain && TEMPORARY.has(word) ? Effect.session : Effect.schema;
    this.#isInto = false;
    if (isPlain && !isQualified) this.#keyword(word);
    // A quoted word is no keyword.
    this.#push(isPlain ? word : '"');
  }

  #keyword(word: string): void {
    if (WRITES.has(word)) this.#isWrite = true;
    // A lock of rows, which a read-only transaction refuses like a write.
    if (this.#last === 'for' && ['share', 'key'].includes(word)) this.#isWrite = true;
    if (word === 'into' && READS.has(this.#head[0] ?? '') && !['insert', 'merge'].includes(this.#last)) {
      this.#isInto = true;
      this.#isCommand = true;
    }
    if (this.#head[0] === 'explain' && ['create', 'execute'].includes(word)) this.effect |= Effect.session;
  }

  #symbol(symbol: string): void {
    if (symbol === ';') return this.#endStatement();
    if (symbol === '(') this.#open.push(this.#call());
    if (symbol === ')' && this.#open.pop()) {
      const isLocal = this.#last === 'true' && this.#before === ',';
      this.effect |= isLocal ? Effect.transaction : Effect.settings;
    }
    this.#push(symbol);
  }

  /** Decides the meaning of a parenthesis after a name. Returns true for a call of `set_config`. */
  #call(): boolean {
    const { word, isPlain, after } = this.#name;
    const isName = /[\w"\u0080-\uffff]$/.test(this.#last) && this.#last !== 'value';
    if (!isName || BEFORE_NAMES.has(after) || (isPlain && NO_CALL.has(word))) return false;
    if (READING.has(word) || READING_PREFIX.test(word)) return false;
    if (HARMLESS.has(word)) {
      this.#isWrite = true;
      return false;
    }
    this.#hasUnknown = true;
    if (word === 'set_config') return true;
    this.effect |= Effect.session;
    return false;
  }

  #endStatement(): void {
    const head = this.#head;
    const [first] = head;
    this.#head = [];
    this.#last = '';
    this.#before = '';
    if (first === undefined) return;
    this.#statements++;
    if (!READS.has(first) && !WRITES.has(first)) this.#isCommand = true;
    this.effect |= effectOf(first, head);
  }

  #endOfString(from: number, escapes: boolean, quote = "'"): number {
    const text = this.#text;
    const mark = escapes ? /['\\]/g : undefined;
    for (let at = from; ; at += 2) {
      if (mark) mark.lastIndex = at;
      at = mark ? (mark.exec(text)?.index ?? -1) : text.indexOf(quote, at);
      if (at < 0) return text.length;
      if (text[at] === quote && text[at + 1] !== quote) return at + 1;
    }
  }

  #endAfter(mark: string, from: number): number {
    const end = this.#text.indexOf(mark, from);
    return end < 0 ? this.#text.length : end + mark.length;
  }

  /** Comments may be nested. */
  #endOfComment(from: number): number {
    const mark = /\/\*|\*\//g;
    mark.lastIndex = from;
    for (let depth = 1; depth > 0; ) {
      const found = mark.exec(this.#text);
      if (found === null) return this.#text.length;
      depth += found[0] === '/*' ? 1 : -1;
    }
    return mark.lastIndex;
  }
}

function isLetter(char: string): boolean {
  return (char >= 'a' && char <= 'z') || (char >= 'A' && char <= 'Z') || char === '_' || char >= '\u0080';
}

function isDigit(char = ''): boolean {
  return char >= '0' && char <= '9';
}

/** The changes of a statement itself, without the functions that it calls. */
function effectOf(first: string, head: readonly string[]): number {
  const [, second = '', third = ''] = head;
  if (first === 'set') {
    const name = ['local', 'session'].includes(second) ? third : second;
    if (NEUTRAL_SETTINGS.has(name)) return Effect.none;
    return second === 'local' ? Effect.transaction : Effect.settings;
  }
  if (first === 'reset') return NEUTRAL_SETTINGS.has(second) ? Effect.none : Effect.settings;
  if (first === 'discard') return ['plans', 'sequences'].includes(second) ? Effect.none : Effect.session;
  // Two-phase commit: another session may have begun the transaction.
  if ((first !== 'execute' && second === 'prepared') || (first === 'prepare' && second === 'transaction'))
    return Effect.schema;
  if (first === 'create' && head.some((word) => TEMPORARY.has(word))) return Effect.session;
  if (SCHEMA_CHANGES.has(first)) return Effect.schema;
  return NEUTRAL.has(first) ? Effect.none : Effect.session;
}
