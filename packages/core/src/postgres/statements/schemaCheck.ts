import type { PgQuery, PreparingClient, QueryClass } from '../pgTypes.js';
import { BACKEND_CHECK, SCHEMA_CHECK, type SchemaWatch } from './schemaWatch.js';

/** Whether a client has a session of its own, for as long as it is connected. */
export type Route = 'unknown' | 'direct' | 'pooled';

/**
 * Queries of Tenure's own on one client: which backend answers, as long as that is unknown, and whether the schema has changed. Each is sent
 * right before a query of the app that wants a statement, so that an idle connection sends nothing.
 */
export class SchemaCheck {
  readonly #client: PreparingClient;
  readonly #Query: QueryClass;
  readonly #watch: SchemaWatch;
  readonly #onRoute: (route: Route) => void;
  #route: Route;
  /** Queued or in flight. */
  #query: PgQuery | undefined;
  #isOwed = false;

  constructor(
    client: PreparingClient,
    Query: QueryClass,
    { watch, route, onRoute }: { watch: SchemaWatch; route: Route; onRoute: (route: Route) => void },
  ) {
    this.#client = client;
    this.#Query = Query;
    this.#watch = watch;
    this.#route = route;
    this.#onRoute = onRoute;
  }

  get route(): Route {
    return this.#route;
  }

  /** A check was due inside a transaction, and is to be sent as soon as that has ended. */
  get isOwed(): boolean {
    return this.#isOwed;
  }

  isOwn(query: PgQuery): boolean {
    return query === this.#query;
  }

  /** Queues a check before the query that is about to be sent, if one is due. Returns whether it did: the app's query then comes again. */
  queueIfDue(now: number, isIdle: boolean): boolean {
    this.#isOwed = false;
    const checksSchema = this.#watch.requestCheck(now);
    if (!checksSchema && this.#route !== 'unknown') return false;
    // In a transaction a check would see old counters, and end the transaction if it failed.
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
    // A server that answers without its process ID is not a plain PostgreSQL. One that gave it before was interrupted.
    if (pid !== undefined || this.#route === 'unknown')
      this.#route = Number(pid) === this.#client.processID ? 'direct' : 'pooled';
    this.#onRoute(this.#route);
    if (sign !== undefined) this.#watch.checkAnswered(sign, sentAt, performance.now());
  }
}
