import type { Policy } from '../../policy/policy.js';
import type { PipelineStats, StatementStats } from '../../pool/connector.js';
import { connectionOf } from '../connection.js';
import { onSubmit } from '../patches.js';
import type { PgClient } from '../pgTypes.js';
import { isPreparing, textOf } from '../pgTypes.js';
import { proveOrder } from '../pipeline/proof.js';
import { SharedReads } from '../pipeline/sharedReads.js';
import { isOpen, roundTrip } from '../session.js';
import { Preparer } from './preparer.js';
import type { Preparing, StatementCounts } from './preparing.js';
import type { Route } from './schemaCheck.js';
import { CHECK_MARK, type SchemaWatch, schemaWatchOf } from './schemaWatch.js';

/** A longer text is cut in a warning. */
const LONGEST_SHOWN = 200;

const noCounts = () => ({ hits: 0, prepared: 0, evicted: 0, invalidated: 0 });

/** Of a connector that has no pool yet. */
export const NO_STATEMENTS: StatementStats = { state: 'off', ...noCounts() };

/** The prepared statements of one pool's connections. */
export class Statements implements Preparing {
  readonly threshold: number;
  readonly limit: number;
  readonly preparesWrites: boolean;
  readonly isWanted: boolean;
  /** `undefined` unless the policy allows that reads share connections. */
  readonly reads: SharedReads | undefined;
  readonly counts: StatementCounts = { ...noCounts(), unprepared: {} };
  #isOn: boolean;
  #isProven = false;
  /** Of the connection that was checked last. */
  #route: Route | 'not asked' = 'not asked';
  /** Held here, or it would be collected with the last connection. */
  #schema: SchemaWatch | undefined;

  constructor(policy: Policy) {
    const { statements, statementsForWrites, prepareThreshold, sources } = policy;
    if (policy.pipeline === 'reads') {
      this.reads = new SharedReads(policy, (text) => this.#schema?.texts.get(text).shortRead?.isShort === true);
    }
    this.threshold = prepareThreshold;
    this.limit = statements;
    this.preparesWrites = statementsForWrites;
    this.#isOn = statements > 0;
    this.isWanted = sources.statements.from !== 'default' || sources.prepareThreshold.from !== 'default';
  }

  get isOn(): boolean {
    return this.#isOn && !this.#isProven;
  }

  get sharesReads(): boolean {
    return this.reads?.isOn === true;
  }

  /** Figures of the reads that share connections. */
  get pipelineStats(): PipelineStats | undefined {
    if (this.reads === undefined) return undefined;
    if (this.#route === 'pooled' || this.#isProven) return this.reads.stats('behind-pooler');
    return this.reads.stats(this.isOn ? 'on' : 'off');
  }

  get stats(): StatementStats {
    const { unprepared, ...counts } = this.counts;
    const hasReasons = Object.keys(unprepared).length > 0;
    return { state: this.#state, ...counts, ...(hasReasons && { unprepared: { ...unprepared } }) };
  }

  get #state(): StatementStats['state'] {
    if (!this.#isOn) return 'off';
    if (this.#isProven || (this.#route === 'pooled' && !this.isWanted)) return 'behind-pooler';
    return this.#schema?.isResting(performance.now()) ? 'tables-change' : 'on';
  }

  /**
   * From now on the repeated queries of this client, which is connected and set up, are sent as prepared statements. On the first client this
   * costs a round trip, to find out whether a pooler is in front of the server; on each other one that is checked before its first statement.
   * Rejects when the client cannot be used.
   */
  async adopt(client: PgClient, signal: AbortSignal): Promise<void> {
    if (!this.isOn) return;
    if (!isPreparing(client)) {
      this.#isOn = false;
      return;
    }
    this.#schema = schemaWatchOf(client);
    let route: Route = 'unknown';
    const isFirst = this.#route === 'not asked';
    // A connection that leads to a pooler must never be shared: there each one is asked about.
    if (isFirst || this.sharesReads) {
      if (isFirst) this.#route = 'unknown';
      try {
        route = (await isBehindPooler(client, signal)) ? 'pooled' : 'direct';
      } catch (error) {
        if (isFirst) this.#route = 'not asked';
        throw error;
      }
      this.noteRoute(route);
    }
    const mayShare = this.sharesReads && route === 'direct';
    if (mayShare) await proveOrder(client, signal, () => this.reads!.turnOff('unproven'));
    const { shared } = new Preparer(client, this, { schema: this.#schema, route });
    if (mayShare) this.reads!.adopt(client, shared);
  }

  noteRoute(route: Route | 'proven'): void {
    if (route === 'proven') this.#isProven = true;
    else this.#route = route;
  }

  noteSlower(text: string): void {
    const shown = text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text;
    const message = `A query was slower as a prepared statement than without, and is no longer prepared: ${shown}`;
    process.emitWarning(message, { type: 'TenureWarning', code: 'TENURE_STATEMENT_SLOWER' });
  }
}

/**
 * Finds out whether a pooler in front of the server may run this client's transactions on different sessions. A pooler gives the client a
 * process ID of its own; the server's function returns another one.
 */
async function isBehindPooler(client: PgClient, signal: AbortSignal): Promise<boolean> {
  try {
    const { rows } = await roundTrip(client, 'select pg_backend_pid() as pid', signal);
    return Number(rows[0]?.pid) !== client.processID;
  } catch (error) {
    // A server that answers but has no process ID is not a plain PostgreSQL.
    if (!signal.aborted && isOpen(client)) return true;
    throw error;
  }
}

/** From now on the text of the client's last query is kept in its connection. */
export function rememberLastStatement(client: PgClient): void {
  if (!isPreparing(client)) return;
  const connection = connectionOf(client);
  onSubmit(client, {
    before(query) {
      const text = textOf(query);
      if (text !== undefined && !text.startsWith(CHECK_MARK)) connection.lastStatement = text;
    },
  });
}
