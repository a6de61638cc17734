import type { PgWire } from '../pgTypes.js';
import { ReuseRate } from './benefit.js';
import { words } from './functions.js';
import { Effect } from './text.js';

/** Reported settings that no result depends on. */
const NEUTRAL = words('application_name in_hot_standby default_transaction_read_only scram_iterations');
/** If a session changes so often that preparing does not pay, it must first stay unchanged for this many queries, twice as many each time. */
const FEWEST_UNPREPARED = 100;
const MOST_UNPREPARED = 10_000;

/**
 * The facts that decide the meaning of names and values on one session: settings, role, search path, temporary tables. A
 * statement that was prepared in one environment may mean something else in another, without an error (a tenant's table, a date
 * in another time zone).
 *
 * Each environment has a number. When a query is sent that may cause a change, no environment is current until the end of the
 * transaction. Then the old one is current again if only settings of the transaction changed, and otherwise a new one.
 */
export class Environment {
  readonly #parameters: ReadonlyMap<string, string>;
  readonly reuse = new ReuseRate();
  /** The reported settings that belong to the current number. */
  #known: ReadonlyMap<string, string>;
  #number = 0;
  #newest = 0;
  /** Effects of the queries in the open transaction, including the one that is being sent. */
  #changes: number = Effect.none;
  /** The number of queries that must still be sent unprepared in this environment. */
  #unpreparedLeft = 0;
  /** The same for the next environment. */
  #nextUnprepared = 0;

  /** The number after the last session reset, or when the client was opened. */
  #original = 0;
  /** The changes since then. */
  #sinceOriginal: number = Effect.none;
  #originalSetUp = '';
  #reset: { readonly phase: 'clearing' } | { readonly phase: 'set-up'; setUp: string } | undefined;

  /**
   * @param parameters the settings that the server has reported so far; the caller keeps them up to date, before this gets the
   * report
   * @param wire emits each further report
   */
  constructor(parameters: ReadonlyMap<string, string>, wire?: Pick<PgWire, 'on'>) {
    this.#parameters = parameters;
    this.#known = new Map(parameters);
    wire?.on('parameterStatus', ({ parameterName: name, parameterValue: value }) => {
      if (!NEUTRAL.has(name) && this.#known.get(name) !== value && !this.#changes) this.follow(Effect.settings);
    });
  }

  /** The number of the environment that the next query runs in; `undefined` while it is changing, or has just changed. */
  get current(): number | undefined {
    return this.#changes || this.#unpreparedLeft > 0 || !this.#hasStandardLiterals ? undefined : this.#number;
  }

  /** Whether a backslash is an ordinary character in a literal. If not, text.ts would misread where literals end. */
  get #hasStandardLiterals(): boolean {
    return this.#parameters.get('standard_conforming_strings') === 'on';
  }

  /** Called when a query that could have used a statement was sent unprepared. */
  noteUnchanged(): void {
    if (this.#unpreparedLeft > 0 && !this.#changes) this.#unpreparedLeft--;
  }

  /** Called when a query is sent. Its text and values are compared if they are part of the app's set-up after a reset. */
  follow(effect: number, text = '', values?: unknown): void {
    if (!effect || this.#reset?.phase === 'clearing') return;
    if (this.#reset) {
      this.#reset.setUp += `${text}\n${String(values)}\n`;
      return;
    }
    this.#changes |= effect;
    this.#sinceOriginal |= effect;
  }

  /** Called when no transaction is open any more. Returns the effects of the queries since the last time. */
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
    if (judgement === 'pays') this.#nextUnprepared = 0;
    if (judgement === 'does not pay')
      this.#nextUnprepared = Math.min(Math.max(2 * this.#nextUnprepared, FEWEST_UNPREPARED), MOST_UNPREPARED);
    this.#unpreparedLeft = this.#nextUnprepared;
  }

  /** Called when a session reset begins. Its commands restore the original environment. */
  resetBegins(): void {
    this.#reset = { phase: 'clearing' };
  }

  /** Called when the session is cleared, and the app's set-up is sent next. */
  setUpBegins(): void {
    this.#reset = { phase: 'set-up', setUp: '' };
  }

  /**
   * Called when the reset is complete. The environment is the original one, if the set-up was the same and no query changed the
   * session's statements.
   */
  resetEnds(): void {
    const setUp = this.#reset?.phase === 'set-up' ? this.#reset.setUp : '';
    const isOriginal = setUp === this.#originalSetUp && !(this.#sinceOriginal & (Effect.session | Effect.schema));
    if (!isOriginal) this.#original = ++this.#newest;
    this.#originalSetUp = setUp;
    this.#sinceOriginal = Effect.none;
    this.#changes = Effect.none;
    this.#reset = undefined;
    this.#move(this.#original);
    if (isOriginal) this.#unpreparedLeft = 0;
  }
}
