import type { Policy } from '../../policy/policy.js';
import type { StatementStats } from '../../pool/connector.js';
import type { PgClient } from '../pgTypes.js';
import { Book } from './book.js';
import { isBehindPooler } from './isBehindPooler.js';
import { isPreparing, type PreparingClient } from './pgInternals.js';
import { Preparer, type Preparing } from './preparer.js';

/** The texts of one generation in the book of this process. */
const TEXTS = 1_000;

/** Counted per process: the pools of an app often run the same queries, and a change that one of them meets is news for all. */
const book = new Book(TEXTS);

/** The prepared statements of one pool's connections. */
export class Statements implements Preparing {
  readonly book = book;
  readonly threshold: number;
  readonly limit: number;
  readonly counts = { hits: 0, prepared: 0, evicted: 0, invalidated: 0 };
  #state: StatementStats['state'];
  /** They are wanted also behind a pooler. */
  readonly #isWanted: boolean;
  #pooler: 'not asked' | 'asking' | 'none' | 'there' = 'not asked';

  constructor({ statements, prepareThreshold, sources }: Policy) {
    this.threshold = prepareThreshold;
    this.limit = statements;
    this.#state = statements > 0 ? 'on' : 'off';
    this.#isWanted = sources.statements.from !== 'default' || sources.prepareThreshold.from !== 'default';
  }

  get isOn(): boolean {
    return this.#state === 'on' && (this.#isWanted || this.isDirect);
  }

  get isDirect(): boolean {
    return this.#pooler === 'none';
  }

  get stats(): StatementStats {
    return { state: this.#state, ...this.counts };
  }

  /** Takes in a client that is connected and set up. The first one is asked, once, whether a pooler is in front of the server. */
  async adopt(client: PgClient, signal: AbortSignal): Promise<void> {
    if (this.#state !== 'on') return;
    if (!isPreparing(client)) {
      this.#state = 'off';
      return;
    }
    if (this.#pooler === 'not asked') await this.#ask(client, signal);
    // Until it is known, those that are opened meanwhile prepare what is wanted anyway.
    if (this.#state === 'on') new Preparer(client, this);
  }

  async #ask(client: PreparingClient, signal: AbortSignal): Promise<void> {
    this.#pooler = 'asking';
    try {
      this.#pooler = (await isBehindPooler(client, signal)) ? 'there' : 'none';
    } catch (error) {
      this.#pooler = 'not asked';
      throw error;
    }
    if (this.#pooler === 'there' && !this.#isWanted) this.#state = 'behind-pooler';
  }
}
