import type { UnpreparedReason } from '../../pool/connector.js';
import { connectionOf } from '../connection.js';
import { type ServerError, verdictOf } from '../failures.js';
import { onSubmit, type SubmitListener, wrapMethod } from '../patches.js';
import type { KnownText, Statement } from './cache.js';
import { KeptStatements } from './cache.js';
import { type Catalog, LOOK, WHO } from './catalog.js';
import { type Described, DescribeOnce } from './describeOnce.js';
import { Environment } from './environment.js';
import { areLossless } from './functions.js';
import {
  type PgQuery,
  type PreparingClient,
  type PreparingWire,
  type QueryClass,
  queryClassOf,
  textOf,
} from './pgInternals.js';
import { Effect, LONGEST_PREPARED, MOST_PARAMETERS } from './text.js';

/** What the connections of one pool have in common. */
export interface Preparing {
  /** Nothing is prepared while this is false. It does not become true again. */
  readonly isOn: boolean;
  /** Statements are also prepared where a pooler is between. */
  readonly isWanted: boolean;
  readonly preparesWrites: boolean;
  /** How often a text must be run, and how many statements a connection keeps. */
  readonly threshold: number;
  readonly limit: number;
  readonly counts: StatementCounts;
  /** A connection does or does not lead to a pooler; `proven`: the sessions behind it have changed under its statements. */
  routed(route: Route | 'proven'): void;
  /** Prepared runs of this text have turned out to be slower than the others. */
  slower(text: string): void;
}

export interface StatementCounts {
  hits: number;
  prepared: number;
  evicted: number;
  invalidated: number;
  readonly unprepared: Partial<Record<UnpreparedReason, number>>;
}

/** Whether a client has a session of its own, for as long as it is connected. */
export type Route = 'unknown' | 'direct' | 'pooled';

/** A query that could be prepared, and is under way. */
interface Run {
  readonly known: KnownText;
  readonly text: string;
  readonly startedAt: number;
  /** What it is sent as, if it is. */
  statement: Statement | undefined;
  environment: number;
  /** The statement had been prepared before. */
  isHit: boolean;
  /** No transaction was open. */
  readonly wasIdle: boolean;
  /** The server has taken the statement and the values: what fails from here on is the query itself. */
  isBound: boolean;
}

/** A query that is run again, without a name. */
interface Rerun {
  readonly query: PgQuery;
  /** To blame, if the query succeeds now. */
  readonly suspect: Run | undefined;
}

const DUPLICATE_STATEMENT = '42P05';

/**
 * Sends the repeated queries of one client as prepared statements. The queries stay what `pg` made them, so that all forms of call, results
 * and errors stay too: they only get a name, and `pg` knows what to do with queries that have one.
 */
export class Preparer implements SubmitListener {
  readonly #client: PreparingClient;
  readonly #connection: PreparingWire;
  readonly #pool: Preparing;
  readonly #catalog: Catalog;
  readonly #Query: QueryClass;
  readonly #kept = new KeptStatements();
  readonly #environment: Environment;
  readonly #describeOnce: DescribeOnce;
  /** Queries that the app made itself. */
  readonly #foreign = new WeakSet<object>();
  #route: Route;
  #run: Run | undefined;
  #rerun: Rerun | undefined;
  /** A query of our own, which goes before one of the app's. */
  #look: PgQuery | undefined;
  /** A query in a transaction wanted one, where it would see what the transaction sees. */
  #owesLook = false;
  /** Statements that the server still has, and nobody uses. */
  readonly #unused: string[] = [];
  #isCorked = false;

  constructor(client: PreparingClient, pool: Preparing, { catalog, route }: { catalog: Catalog; route: Route }) {
    this.#client = client;
    this.#connection = client.connection;
    this.#pool = pool;
    this.#catalog = catalog;
    this.#route = route;
    this.#Query = queryClassOf(client)!;
    const connection = connectionOf(client);
    this.#environment = new Environment(connection.parameters, client.connection);
    connection.environment = this.#environment;
    this.#describeOnce = new DescribeOnce(this.#connection);
    this.#listen();
  }

  #listen(): void {
    const connection = this.#connection;
    onSubmit(this.#client, this);
    wrapMethod(this.#client, 'query', (original) => (...args) => {
      if (args[0] instanceof this.#Query) this.#foreign.add(args[0]);
      return original().apply(this.#client, args);
    });
    wrapMethod(connection, 'close', (original) => (message) => {
      const run = this.#run;
      if (run?.statement && message.type === 'S' && message.name === run.statement.name)
        this.#closedByPg(run.statement);
      original().call(connection, message);
    });
    // Before `pg` calls back, and after it has noted what was parsed.
    connection.prependListener('errorMessage', (error) => this.#failed(error));
    connection.prependListener('readyForQuery', ({ status }) => this.#ready(status));
    connection.on('parseComplete', () => this.#parsed());
    connection.on('parameterDescription', ({ dataTypeIDs }) => this.#parametersAre(dataTypeIDs));
    connection.on('bindComplete', () => this.#bound());
    connection.on('commandComplete', () => this.#completed());
  }

  before(query: PgQuery): void {
    this.#run = undefined;
    this.#describeOnce.follow(undefined);
    if (!this.#pool.isOn || query === this.#look || this.#isLeftAlone) return;
    const text = textOf(query);
    const known = text === undefined ? undefined : this.#catalog.book.of(text);
    if (query !== this.#rerun?.query) {
      this.#rerun = undefined;
      if (this.#owesLook && this.#looksFirst(performance.now())) return;
      if (known && this.#qualifies(query) && !this.#consider(query, known)) return;
    }
    this.#environment.follow(known?.facts.effect ?? Effect.session, text, query.values);
  }

  after(): void {
    // The table is the app's, and would hold on to every text.
    if (this.#run?.isHit) delete this.#connection.parsedStatements[this.#run.statement!.name];
    if (this.#isCorked) this.#connection.stream.uncork?.();
    this.#isCorked = false;
  }

  /** Nothing is prepared on this connection, whatever is sent. */
  get #isLeftAlone(): boolean {
    return this.#route === 'pooled' && !this.#pool.isWanted;
  }

  /** Only what the client itself made of a text with parameters. Everything else has reasons of its own. */
  #qualifies(query: PgQuery): query is PgQuery & { readonly text: string; readonly values: unknown[] } {
    const { name, text, values, rows, types, callback } = query;
    return (
      !name &&
      Array.isArray(values) &&
      values.length > 0 &&
      typeof text === 'string' &&
      query.constructor === this.#Query &&
      callback !== undefined &&
      !rows &&
      // A list of parameter types: the same text may then stand for several statements.
      !Array.isArray(types) &&
      !this.#foreign.has(query)
    );
  }

  /** Sends a query as a statement, if it may be. False if a look goes first: then it is considered again. */
  #consider(query: PgQuery & { readonly text: string; readonly values: unknown[] }, known: KnownText): boolean {
    const { threshold, counts } = this.#pool;
    const isRepeated = known.uses + 1 >= threshold;
    const now = performance.now();
    let reason = this.#unfit(query, known);
    if (!reason && isRepeated && this.#environment.current !== undefined && this.#looksFirst(now)) return false;
    known.uses++;
    for (const name of this.#unused.splice(0)) this.#close(name);
    if (!reason) {
      const wasIdle = this.#isIdle;
      this.#run = {
        known,
        text: query.text,
        startedAt: now,
        statement: undefined,
        environment: 0,
        isHit: false,
        wasIdle,
        isBound: false,
      };
      if (!isRepeated) return true;
      reason = this.#obstacle(now);
      if (!reason && known.pace.turn() === 'prepared') reason = this.#sendPrepared(query, this.#run);
    }
    if (isRepeated && reason) counts.unprepared[reason] = (counts.unprepared[reason] ?? 0) + 1;
    return true;
  }

  /** Why this query must not be prepared, wherever it runs. */
  #unfit(
    { text, values }: { readonly text: string; readonly values: readonly unknown[] },
    { facts, unfit }: KnownText,
  ): UnpreparedReason | undefined {
    const { kind } = facts;
    if (kind === 'write' ? !this.#pool.preparesWrites : kind !== 'read') return kind as UnpreparedReason;
    if (text.length > LONGEST_PREPARED || values.length > MOST_PARAMETERS) return 'size';
    return unfit;
  }

  /** Why nothing can be prepared here and now. */
  #obstacle(now: number): UnpreparedReason | undefined {
    if (this.#route === 'unknown') return 'pooler';
    if (this.#environment.current === undefined) {
      this.#environment.stayedCalm();
      return 'session';
    }
    return this.#catalog.isTrusted(now) ? undefined : 'tables';
  }

  #sendPrepared(query: PgQuery, run: Run): UnpreparedReason | undefined {
    const statement = run.known.statementFor(run.text);
    if (statement === undefined) return 'tables';
    run.environment = this.#environment.current!;
    const kept = this.#kept.use(statement, run.environment);
    if (kept) {
      run.isHit = true;
      this.#pool.counts.hits++;
      for (const { payback } of [this.#catalog, this.#environment]) payback.used();
      // `pg` sends no Parse for what is in its table.
      this.#connection.parsedStatements[statement.name] = run.text;
      this.#follow(kept, query);
    } else {
      this.#makeRoomFor(statement);
      this.#describeOnce.introduce(statement.name, Boolean(query.binary));
    }
    // From here on a Close of it is one of `pg`.
    run.statement = statement;
    query.name = statement.name;
    return undefined;
  }

  get #isIdle(): boolean {
    return this.#client.getTransactionStatus?.() === 'I';
  }

  /** Asks who answers, if that is not known, and whether tables have changed, if it is time to, before the query that waits. */
  #looksFirst(now: number): boolean {
    this.#owesLook = false;
    const asksForSign = this.#catalog.wantsLook(now);
    if (!asksForSign && this.#route !== 'unknown') return false;
    // In a transaction it would see old counters, and end the transaction if it failed: the next one begins with it.
    this.#owesLook = !this.#isIdle;
    if (this.#owesLook) return false;
    if (asksForSign) this.#catalog.asked(now);
    const config = { text: asksForSign ? LOOK : WHO, types: { getTypeParser: () => String } };
    this.#look = new this.#Query(config, undefined, (error, result) =>
      this.#looked(now, error ? {} : (result?.rows[0] ?? {})),
    );
    this.#client._queryQueue.unshift(this.#look);
    return true;
  }

  #looked(askedAt: number, { pid, sign }: { readonly pid?: string; readonly sign?: string }): void {
    this.#look = undefined;
    // What answers but does not say who it is is no plain server. One that did before was interrupted.
    if (pid !== undefined || this.#route === 'unknown')
      this.#route = Number(pid) === this.#client.processID ? 'direct' : 'pooled';
    this.#pool.routed(this.#route);
    if (sign !== undefined) this.#catalog.saw(sign, askedAt, performance.now());
  }

  /** Columns are described as they are to come, and remembered as text. */
  #follow(kept: Described, { binary }: PgQuery): void {
    if (this.#route === 'direct' && !binary) this.#describeOnce.follow(kept);
  }

  /** Closes what is in the way of a new statement, in the packet that carries it. */
  #makeRoomFor({ name }: Statement): void {
    if (this.#kept.has(name)) {
      for (const { payback } of [this.#catalog, this.#environment]) payback.preparedAgain();
      this.#expire(name);
      this.#close(name);
    } else if (this.#kept.size >= this.#pool.limit) {
      this.#pool.counts.evicted++;
      this.#close(this.#kept.leastRecent!);
    }
  }

  #close(name: string): void {
    this.#kept.delete(name);
    if (!this.#isCorked) this.#connection.stream.cork?.();
    this.#isCorked = true;
    this.#connection.close({ type: 'S', name });
  }

  /** `pg` has closed the statement that is being sent, since a parameter could not be serialised; it would go on as if it had not. */
  #closedByPg({ name }: Statement): void {
    this.#run = undefined;
    this.#kept.delete(name);
    delete this.#connection.parsedStatements[name];
    delete this.#connection.submittedNamedStatements?.[name];
    // Or the answer to its Parse would be taken for a statement that is there.
    if (this.#client._activeQuery) this.#client._activeQuery.name = undefined;
  }

  #parsed(): void {
    const { statement, environment } = this.#run ?? {};
    if (statement === undefined) return;
    this.#pool.counts.prepared++;
    const kept = this.#kept.add(statement, environment!);
    if (this.#client._activeQuery) this.#follow(kept, this.#client._activeQuery);
    delete this.#connection.parsedStatements[statement.name];
  }

  #parametersAre(types: readonly number[]): void {
    const { statement, known } = this.#run ?? {};
    if (!statement || areLossless(types)) return;
    known!.unfit = 'parameters';
    this.#kept.expire(statement.name);
    this.#unused.push(statement.name);
  }

  #bound(): void {
    if (this.#run) this.#run.isBound = true;
    this.#describeOnce.bound();
  }

  #failed(error: ServerError): void {
    this.#rerun = undefined;
    const run = this.#run;
    const query = this.#client._activeQuery;
    this.#run = undefined;
    if (!run?.statement || run.isBound || !query) return;
    const verdict = run.isHit ? verdictOf(error) : undefined;
    if (verdict === 'missing' || (!run.isHit && error.code === DUPLICATE_STATEMENT)) {
      this.#pool.routed('proven');
      if (run.wasIdle) this.#runAgain(query, undefined);
    }
    if (verdict === 'outdated') this.#renew(run);
    if (verdict === 'outdated' && run.wasIdle) this.#runAgain(query, undefined);
    if (verdict !== 'doubtful') return;
    if (run.wasIdle) this.#runAgain(query, run);
    // Nobody can tell now. A Parse of its own tells the next time, and costs no round trip.
    else this.#expire(run.statement.name);
  }

  /** Puts the query back, first in line, without its name. Nothing of it has run, and nothing has been called back. */
  #runAgain(query: PgQuery, suspect: Run | undefined): void {
    const { callback } = query;
    this.#rerun = { query, suspect };
    query.name = undefined;
    query.callback = () => {
      query.callback = callback;
      this.#client._queryQueue.unshift(query);
    };
  }

  #completed(): void {
    const suspect = this.#rerun?.suspect;
    this.#rerun = undefined;
    // Without the statement it works: so the statement was to blame, and not a value.
    if (suspect) this.#renew(suspect);
  }

  #ready(status: string | undefined): void {
    const now = performance.now();
    const run = this.#run;
    // Others of it may be under way when it is found out.
    if (run && !run.known.unfit && run.known.pace.ran(run.statement !== undefined, now - run.startedAt)) {
      run.known.unfit = 'slower';
      this.#pool.slower(run.text);
    }
    if (status === 'I' && this.#environment.settle() & Effect.schema) this.#catalog.changed(now);
  }

  /** What has changed for one has changed for others, and not all of them would be refused: some would take a value for one of the old type. */
  #renew({ known, statement }: Run): void {
    if (known.refused(statement!)) this.#catalog.changed(performance.now());
    this.#expire(statement!.name);
  }

  #expire(name: string): void {
    if (this.#kept.expire(name)) this.#pool.counts.invalidated++;
  }
}
