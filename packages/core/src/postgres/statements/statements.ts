import type { Policy } from '../../policy/policy.js';
import type { StatementStats } from '../../pool/connector.js';
import type { PgClient } from '../pgTypes.js';
import { Book } from './book.js';
import { isBehindPooler } from './isBehindPooler.js';
import { isPreparing } from './pgInternals.js';
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
  /** Whether it must still be found out what is at the other end. */
  #isUnknown: boolean;

  constructor({ statements, prepareThreshold, sources }: Policy) {
    this.threshold = prepareThreshold;
    this.limit = statements;
    this.#state = statements > 0 ? 'on' : 'off';
    const isAskedFor = sources.statements.from !== 'default' || sources.prepareThreshold.from !== 'default';
    this.#isUnknown = !isAskedFor && statements > 0;
  }

  get isOn(): boolean {
    return this.#state === 'on' && !this.#isUnknown;
  }

  get stats(): StatementStats {
    return { state: this.#state, ...this.counts };
  }

  /** Takes in a client that is connected and set up. The first one is asked, once, whether a pooler is in front of the server. */
  async adopt(client: PgClient, signal: AbortSignal): Promise<void> {
    if (this.#state !== 'on' || !isPreparing(client)) return;
    if (this.#isUnknown) {
      if (await isBehindPooler(client, signal)) this.#state = 'behind-pooler';
      this.#isUnknown = false;
    }
    if (this.isOn) new Preparer(client, this);
  }
}
