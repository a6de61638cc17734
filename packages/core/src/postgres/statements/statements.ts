import type { Policy } from '../../policy/policy.js';
import type { StatementStats } from '../../pool/connector.js';
import type { PgClient } from '../pgTypes.js';
import { type Catalog, catalogOf } from './catalog.js';
import { isBehindPooler } from './isBehindPooler.js';
import { isPreparing } from './pgInternals.js';
import { Preparer, type Preparing, type Route, type StatementCounts } from './preparer.js';

const LONGEST_TEXT_TOLD = 200;

const noCounts = () => ({ hits: 0, prepared: 0, evicted: 0, invalidated: 0 });

/** Of a connector that has no pool yet. */
export const NO_STATEMENTS: StatementStats = { state: 'off', ...noCounts() };

/** The prepared statements of one pool's connections. */
export class Statements implements Preparing {
  readonly threshold: number;
  readonly limit: number;
  readonly preparesWrites: boolean;
  readonly isWanted: boolean;
  readonly counts: StatementCounts = { ...noCounts(), unprepared: {} };
  #isOn: boolean;
  #isProven = false;
  /** What the connection said that was asked last. */
  #route: Route | 'not asked' = 'not asked';
  /** Held here so that it outlives the connections. */
  #catalog: Catalog | undefined;

  constructor({ statements, statementsForWrites, prepareThreshold, sources }: Policy) {
    this.threshold = prepareThreshold;
    this.limit = statements;
    this.preparesWrites = statementsForWrites;
    this.#isOn = statements > 0;
    this.isWanted = sources.statements.from !== 'default' || sources.prepareThreshold.from !== 'default';
  }

  get isOn(): boolean {
    return this.#isOn && !this.#isProven;
  }

  get stats(): StatementStats {
    const { unprepared, ...counts } = this.counts;
    const hasReasons = Object.keys(unprepared).length > 0;
    return { state: this.#state, ...counts, ...(hasReasons && { unprepared: { ...unprepared } }) };
  }

  get #state(): StatementStats['state'] {
    if (!this.#isOn) return 'off';
    if (this.#isProven || (this.#route === 'pooled' && !this.isWanted)) return 'behind-pooler';
    return this.#catalog?.isResting(performance.now()) ? 'tables-change' : 'on';
  }

  /**
   * Takes in a client that is connected and set up. The first one is asked at once whether a pooler is in front of the server; each other one
   * before its first statement.
   */
  async adopt(client: PgClient, signal: AbortSignal): Promise<void> {
    if (!this.isOn) return;
    if (!isPreparing(client)) {
      this.#isOn = false;
      return;
    }
    this.#catalog = catalogOf(client);
    let route: Route = 'unknown';
    if (this.#route === 'not asked') {
      this.#route = 'unknown';
      try {
        route = (await isBehindPooler(client, signal)) ? 'pooled' : 'direct';
      } catch (error) {
        this.#route = 'not asked';
        throw error;
      }
      this.routed(route);
    }
    new Preparer(client, this, { catalog: this.#catalog, route });
  }

  routed(route: Route | 'proven'): void {
    if (route === 'proven') this.#isProven = true;
    else this.#route = route;
  }

  slower(text: string): void {
    const told = text.length > LONGEST_TEXT_TOLD ? `${text.slice(0, LONGEST_TEXT_TOLD)}…` : text;
    const message = `A query was slower as a prepared statement than without, and is no longer prepared: ${told}`;
    process.emitWarning(message, { type: 'TenureWarning', code: 'TENURE_STATEMENT_SLOWER' });
  }
}
