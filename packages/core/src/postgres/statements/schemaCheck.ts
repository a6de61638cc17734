import type { PoolerKind } from '../../pool/connector.js';
import type { PgQuery, PreparingClient, QueryClass } from '../pgTypes.js';
import type { Pooler } from '../pooler.js';
import { BACKEND_CHECK, SCHEMA_CHECK, type SchemaWatch } from './schemaWatch.js';

/** What the statements of one client depend on. */
export interface Checked {
  readonly watch: SchemaWatch;
  readonly pooler: Pooler;
  /** What is between this client and the server. */
  readonly kind: PoolerKind;
}

/**
 * Queries of Tenure's own on one client: whether a pooler is in between, as long as that is unknown, and whether the schema has
 * changed. Each is sent right before a query of the app that could use a statement, so an idle connection sends nothing.
 */
export class SchemaCheck {
  readonly #client: PreparingClient;
  readonly #Query: QueryClass;
  readonly #watch: SchemaWatch;
  readonly #pooler: Pooler;
  #kind: PoolerKind;
  /** The check that is queued or in flight. */
  #query: PgQuery | undefined;
  #isOwed = false;

  constructor(client: PreparingClient, Query: QueryClass, { watch, pooler, kind }: Checked) {
    this.#client = client;
    this.#Query = Query;
    this.#watch = watch;
    this.#pooler = pooler;
    this.#kind = kind;
  }

  /** What is between this client and the server. */
  get kind(): PoolerKind {
    return this.#kind;
  }

  /** Whether a check was due inside a transaction. It is sent as soon as the transaction has ended. */
  get isOwed(): boolean {
    return this.#isOwed;
  }

  isOwn(query: PgQuery): boolean {
    return query === this.#query;
  }

  /** Queues a check before the query that is about to be sent, if one is due. Returns whether it did: the app's query is then submitted again. */
  queueIfDue(now: number, isIdle: boolean): boolean {
    this.#isOwed = false;
    const checksSchema = this.#watch.requestCheck(now);
    if (!checksSchema && this.#kind !== 'unknown') return false;
    // Inside a transaction a check would see old counters, and end the transaction if it failed.
    this.#isOwed = !isIdle;
    if (this.#isOwed) return false;
    if (checksSchema) this.#watch.checkSent(now);
    const config = { text: checksSchema ? SCHEMA_CHECK : BACKEND_CHECK, types: { getTypeParser: () => String } };
    this.#query = new this.#Query(config, undefined, (error, result) =>
      this.#answered(now, error ? {} : (result?.rows[0] ?? {})),
    );
    this.#client._queryQueue.unshift(this.#query);
    return true;
  }

  #answered(sentAt: number, { pid, sign }: { readonly pid?: string; readonly sign?: string }): void {
    this.#query = undefined;
    // A missing process ID is a result only while nothing is known: after an earlier one, it means that the check was interrupted.
    if (pid !== undefined || this.#kind === 'unknown') this.#kind = this.#pooler.compare(this.#client, pid);
    if (sign !== undefined) this.#watch.checkAnswered(sign, sentAt, performance.now());
  }
}
