import type { Policy } from '../../policy/policy.js';
import {
  isPooler,
  type PipelineStats,
  type PoolerKind,
  type PoolReport,
  type StatementStats,
  sharesSessions,
} from '../../pool/connector.js';
import { connectionOf } from '../connection.js';
import { onSubmit } from '../patches.js';
import type { PgClient } from '../pgTypes.js';
import { isPreparing, textOf } from '../pgTypes.js';
import { SharedReads } from '../pipeline/sharedReads.js';
import type { Pooler } from '../pooler.js';
import { Preparer } from './preparer.js';
import type { Preparing, StatementCounts } from './preparing.js';
import { CHECK_MARK, type SchemaWatch, schemaWatchOf } from './schemaWatch.js';

/** A longer text is cut in a warning. */
const LONGEST_SHOWN = 200;

const noCounts = () => ({ hits: 0, prepared: 0, evicted: 0, invalidated: 0 });

/** The figures of a connector without a pool. */
export const NO_STATEMENTS: StatementStats = { state: 'off', ...noCounts() };

/** The prepared statements of one pool's connections. */
export class Statements implements Preparing {
  readonly threshold: number;
  readonly limit: number;
  readonly preparesWrites: boolean;
  readonly isWanted: boolean;
  /** `undefined` unless the policy allows reads to share connections. */
  readonly reads: SharedReads | undefined;
  readonly counts: StatementCounts = { ...noCounts(), unprepared: {} };
  #isOn: boolean;
  readonly #pooler: Pooler;
  readonly #report: PoolReport;
  #isProven = false;
  /** Held here: otherwise it would be collected with the last connection. */
  #schema: SchemaWatch | undefined;

  constructor(policy: Policy, pooler: Pooler, report: PoolReport) {
    const { statements, statementsForWrites, prepareThreshold, sources } = policy;
    this.#pooler = pooler;
    this.#report = report;
    if (policy.pipeline === 'reads') {
      const isShort = (text: string) => this.#schema?.texts.get(text).shortRead?.isShort === true;
      this.reads = new SharedReads(policy, isShort, report);
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
    if (isPooler(this.#pooler.kind)) return this.reads.stats('behind-pooler');
    return this.reads.stats(this.isOn ? 'on' : 'off');
  }

  get stats(): StatementStats {
    const { unprepared, ...counts } = this.counts;
    const hasReasons = Object.keys(unprepared).length > 0;
    return { state: this.#state, ...counts, ...(hasReasons && { unprepared: { ...unprepared } }) };
  }

  get #state(): StatementStats['state'] {
    if (!this.#isOn) return 'off';
    if (this.#isProven || (sharesSessions(this.#pooler.kind) && !this.isWanted)) return 'behind-pooler';
    return this.#schema?.isResting(performance.now()) ? 'tables-change' : 'on';
  }

  /** Whether reads may share the connection of a client, of which `kind` is known. Tests it only if the policy allows sharing, for one round trip. */
  async proveOrder(client: PgClient, kind: PoolerKind | undefined, signal: AbortSignal): Promise<boolean> {
    if (!this.isOn || !this.sharesReads || isPooler(kind) || isPooler(this.#pooler.kind)) return false;
    return this.reads!.prove(client, signal);
  }

  /**
   * Sends the repeated queries of this connected client as prepared statements from now on.
   *
   * @param kind what is between this client and the server; while that is `unknown`, it is checked before its first statement
   * @param isInOrder whether it leads straight to the server, by `proveOrder`
   */
  adopt(client: PgClient, kind: PoolerKind = 'unknown', isInOrder = false): void {
    if (!this.isOn) return;
    if (!isPreparing(client)) {
      this.#isOn = false;
      return;
    }
    this.#schema = schemaWatchOf(client);
    const known = isInOrder ? this.#pooler.compare(client, client.processID) : kind;
    const { shared } = new Preparer(client, this, { watch: this.#schema, pooler: this.#pooler, kind: known });
    if (isInOrder && shared) this.reads?.adopt(client, shared);
  }

  noteMissing(): void {
    this.#isProven = true;
    this.#pooler.prove();
  }

  noteSlower(text: string): void {
    const shown = text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text;
    const message = `A query was slower as a prepared statement than without, and is no longer prepared: ${shown}`;
    this.#report.warn({ code: 'TENURE_STATEMENT_SLOWER', message });
  }
}

/** Keeps the text of the client's last query in its connection from now on. */
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
