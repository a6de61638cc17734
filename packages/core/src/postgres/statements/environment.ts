import type { PgWire } from '../pgTypes.js';
import { ReuseRate } from './benefit.js';
import { words } from './functions.js';
import { Effect } from './text.js';

/** Reported settings that no result depends on. */
const NEUTRAL = words('application_name in_hot_standby default_transaction_read_only scram_iterations');
/** Where a session changes so often that preparing does not pay, it must stay as it is for this many queries first, or for twice as many the next time. */
const SHORTEST_CALM = 100;
const LONGEST_CALM = 10_000;

/**
 * What names and values mean on one session: its settings, role, search path, temporary tables. A statement that was prepared in one
 * environment may mean something else in another, without an error (a tenant's table, a date in another time zone).
 *
 * An environment has a number. A change begins when a query is sent that may cause it, and from then on nothing is current; with the end of the
 * transaction the environment is the old one again, if only settings of the transaction changed, and otherwise a new one.
 */
export class Environment {
  readonly #parameters: ReadonlyMap<string, string>;
  readonly reuse = new ReuseRate();
  /** The reported settings that belong to the current number. */
  #known: ReadonlyMap<string, string>;
  #number = 0;
  #newest = 0;
  /** Effects of queries in the transaction that is open, or that is being sent. */
  #changes: number = Effect.none;
  /** Queries to wait for before statements are prepared in the environment. */
  #calm = 0;
  /** The same, in the next one. */
  #nextCalm = 0;

  /** As the last session reset left it, or as it was when the client was opened. */
  #original = 0;
  /** What has changed since then. */
  #sinceOriginal: number = Effect.none;
  #originalSetUp = '';
  #reset: { readonly phase: 'clearing' } | { readonly phase: 'set-up'; setUp: string } | undefined;

  /**
   * @param parameters the settings that the server has reported so far; kept up to date by the caller, before this listens
   * @param wire emits each further report
   */
  constructor(parameters: ReadonlyMap<string, string>, wire?: Pick<PgWire, 'on'>) {
    this.#parameters = parameters;
    this.#known = new Map(parameters);
    wire?.on('parameterStatus', ({ parameterName: name, parameterValue: value }) => {
      if (!NEUTRAL.has(name) && this.#known.get(name) !== value && !this.#changes) this.follow(Effect.settings);
    });
  }

  /** The number of the environment that the next query runs in; undefined while it is changing, or has changed a moment ago. */
  get current(): number | undefined {
    return this.#changes || this.#calm > 0 || !this.#readsPlainly ? undefined : this.#number;
  }

  /** Otherwise a backslash ends what we take for a string literal, and begins what we take for nothing. */
  get #readsPlainly(): boolean {
    return this.#parameters.get('standard_conforming_strings') === 'on';
  }

  /** A query that could use a statement has been sent without one. */
  noteUnchanged(): void {
    if (this.#calm > 0 && !this.#changes) this.#calm--;
  }

  /** A query is sent. Its text and values matter where they are part of the app's set-up after a reset. */
  follow(effect: number, text = '', values?: unknown): void {
    if (!effect || this.#reset?.phase === 'clearing') return;
    if (this.#reset) {
      this.#reset.setUp += `${text}\n${String(values)}\n`;
      return;
    }
    this.#changes |= effect;
    this.#sinceOriginal |= effect;
  }

  /** No transaction is open any more. Returns the effects of what has happened since the last time. */
  transactionEnded(): number {
    const changes = this.#changes;
    if (!changes || this.#reset) return Effect.none;
    this.#changes = Effect.none;
    if (changes !== Effect.transaction || !this.#isReportedAsKnown()) this.#move(++this.#newest);
    return changes;
  }

  #isReportedAsKnown(): boolean {
    for (const [name, value] of this.#parameters) {
      if (!NEUTRAL.has(name) && this.#known.get(name) !== value) return false;
    }
    return true;
  }

  #move(number: number): void {
    this.#number = number;
    this.#known = new Map(this.#parameters);
    const judgement = this.reuse.judge();
    if (judgement === 'pays') this.#nextCalm = 0;
    if (judgement === 'does not pay')
      this.#nextCalm = Math.min(Math.max(2 * this.#nextCalm, SHORTEST_CALM), LONGEST_CALM);
    this.#calm = this.#nextCalm;
  }

  /** A session reset begins, whose own commands bring back the original environment. */
  resetBegins(): void {
    this.#reset = { phase: 'clearing' };
  }

  /** The session is cleared; what is sent next is the app's set-up. */
  setUpBegins(): void {
    this.#reset = { phase: 'set-up', setUp: '' };
  }

  /** The reset is complete. The environment is the original one, if the set-up is the same, and nothing has touched the session's statements. */
  resetEnds(): void {
    const setUp = this.#reset?.phase === 'set-up' ? this.#reset.setUp : '';
    const isOriginal = setUp === this.#originalSetUp && !(this.#sinceOriginal & (Effect.session | Effect.schema));
    if (!isOriginal) this.#original = ++this.#newest;
    this.#originalSetUp = setUp;
    this.#sinceOriginal = Effect.none;
    this.#changes = Effect.none;
    this.#reset = undefined;
    this.#move(this.#original);
    if (isOriginal) this.#calm = 0;
  }
}
