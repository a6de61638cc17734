import { sharesSessions, type UnpreparedReason } from '../../pool/connector.js';
import { connectionOf } from '../connection.js';
import { classifyStatementError, type ServerError } from '../failures.js';
import { onSubmit, type SubmitListener, wrapMethod } from '../patches.js';
import {
  isParameterQuery,
  type ParameterQuery,
  type PgQuery,
  type PreparingClient,
  type PreparingWire,
  type QueryClass,
  queryClassOf,
  textOf,
} from '../pgTypes.js';
import { type CountedText, SessionCache, type Statement } from './cache.js';
import { DescribeOnce, type ResultShape } from './describeOnce.js';
import { Environment } from './environment.js';
import { areLossless } from './functions.js';
import type { Preparing } from './preparing.js';
import { type Checked, SchemaCheck } from './schemaCheck.js';
import { CHECK_MARK, type SchemaWatch } from './schemaWatch.js';
import { SharedRuns } from './sharedRuns.js';
import { Effect } from './text.js';

/** A query in flight that could be prepared. */
interface Run {
  readonly known: CountedText;
  readonly text: string;
  readonly startedAt: number;
  /** The statement that it is sent as; `undefined` if it is unprepared. */
  statement: Statement | undefined;
  environment: number;
  /** Whether the statement had been prepared before. */
  isHit: boolean;
  /** Whether no transaction was open. */
  readonly wasIdle: boolean;
  /** Whether the server has accepted the statement and the values: an error after that is the query's own. */
  isBound: boolean;
  /** Bytes received on the connection before it, if short reads are measured. */
  readonly bytesBefore: number;
}

/** A query that runs again, unprepared. */
interface Rerun {
  readonly query: PgQuery;
  /** The run whose statement is outdated, if the query succeeds now. */
  readonly suspect: Run | undefined;
}

const DUPLICATE_STATEMENT = '42P05';

/**
 * Sends the repeated queries of one client as prepared statements. It only sets the name of a query that `pg` has made, and `pg`
 * does the rest, so that all forms of call, results and errors stay the same.
 */
export class Preparer implements SubmitListener {
  readonly #client: PreparingClient;
  readonly #connection: PreparingWire;
  readonly #pool: Preparing;
  readonly #schema: SchemaWatch;
  readonly #Query: QueryClass;
  readonly #cache = new SessionCache();
  readonly #environment: Environment;
  readonly #describeOnce: DescribeOnce;
  /** Queries that the app constructed itself. */
  readonly #foreign = new WeakSet<object>();
  readonly #check: SchemaCheck;
  #run: Run | undefined;
  #rerun: Rerun | undefined;
  /** Statements that the server still has, and that must be closed. */
  readonly #unused: string[] = [];
  /** Runs on this connection while others use it; `undefined` unless the policy allows reads to share connections. */
  readonly shared: SharedRuns | undefined;
  #isCorked = false;

  constructor(client: PreparingClient, pool: Preparing, checked: Checked) {
    this.#client = client;
    this.#connection = client.connection;
    this.#pool = pool;
    this.#schema = checked.watch;
    this.#Query = queryClassOf(client)!;
    this.#check = new SchemaCheck(client, this.#Query, checked);
    const connection = connectionOf(client);
    this.#environment = new Environment(connection.parameters, client.connection);
    connection.environment = this.#environment;
    this.#describeOnce = new DescribeOnce(this.#connection);
    if (pool.sharesReads) this.shared = this.#sharedRuns();
    this.#listen();
  }

  #sharedRuns(): SharedRuns {
    return new SharedRuns({
      connection: this.#connection,
      pool: this.#pool,
      schema: this.#schema,
      cache: this.#cache,
      environment: this.#environment,
      describeOnce: this.#describeOnce,
      check: this.#check,
      forgetRun: () => {
        this.#run = undefined;
      },
    });
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
    // Runs before `pg` calls the app back, and after `pg` has noted what was parsed.
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
    if (!this.#pool.isOn || this.#check.isOwn(query) || this.#isLeftAlone) return;
    const text = textOf(query);
    if (text?.startsWith(CHECK_MARK)) return;
    const known = text === undefined ? undefined : this.#schema.texts.get(text);
    if (query !== this.#rerun?.query) {
      this.#rerun = undefined;
      if (this.#check.isOwed && this.#check.queueIfDue(performance.now(), this.#isIdle)) return;
      if (known && this.#qualifies(query) && !this.#consider(query, known)) return;
    }
    this.#environment.follow(known?.facts.effect ?? Effect.session, text, query.values);
  }

  after(): void {
    // The app can read the table, which would keep every text for the life of the connection.
    if (this.#run?.isHit) delete this.#connection.parsedStatements[this.#run.statement!.name];
    if (this.#isCorked) this.#connection.stream.uncork?.();
    this.#isCorked = false;
  }

  /** Whether nothing is ever prepared on this connection. */
  get #isLeftAlone(): boolean {
    return sharesSessions(this.#check.kind) && !this.#pool.isWanted;
  }

  #qualifies(query: PgQuery): query is ParameterQuery {
    return isParameterQuery(query, this.#Query) && !this.#foreign.has(query);
  }

  /** Sends a query as a statement, if it may be one. Returns false if a check goes first: the query is then submitted again. */
  #consider(query: ParameterQuery, known: CountedText): boolean {
    const { threshold, counts } = this.#pool;
    const isRepeated = known.uses + 1 >= threshold;
    const now = performance.now();
    let reason = known.unfitReason(query, this.#pool.preparesWrites);
    if (!reason && isRepeated && this.#environment.current !== undefined && this.#check.queueIfDue(now, this.#isIdle))
      return false;
    known.uses++;
    if (this.#unused.length > 0) for (const name of this.#unused.splice(0)) this.#close(name);
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
        bytesBefore: this.shared?.bytesRead ?? 0,
      };
      if (!isRepeated) return true;
      reason = this.#obstacle(now);
      if (!reason && known.slowPlan.nextForm() === 'prepared') reason = this.#sendPrepared(query, this.#run);
    }
    if (isRepeated && reason) counts.unprepared[reason] = (counts.unprepared[reason] ?? 0) + 1;
    return true;
  }

  /** Why nothing can be prepared on this connection now. */
  #obstacle(now: number): UnpreparedReason | undefined {
    if (this.#check.kind === 'unknown') return 'pooler';
    if (this.#environment.current === undefined) {
      this.#environment.noteUnchanged();
      return 'session';
    }
    return this.#schema.isTrusted(now) ? undefined : 'tables';
  }

  #sendPrepared(query: PgQuery, run: Run): UnpreparedReason | undefined {
    const statement = run.known.statementFor(run.text);
    if (statement === undefined) return 'tables';
    run.environment = this.#environment.current!;
    const cached = this.#cache.use(statement, run.environment);
    if (cached) {
      run.isHit = true;
      this.#pool.counts.hits++;
      this.#schema.reuse.noteUse();
      this.#environment.reuse.noteUse();
      // `pg` sends no Parse for a statement in its table.
      this.#connection.parsedStatements[statement.name] = run.text;
      this.#follow(cached, query);
    } else {
      this.#makeRoomFor(statement);
      this.#describeOnce.introduce(statement.name, Boolean(query.binary));
    }
    // Set last: a Close of this statement after this comes from `pg`.
    run.statement = statement;
    query.name = statement.name;
    return undefined;
  }

  get #isIdle(): boolean {
    return this.#client.getTransactionStatus?.() === 'I';
  }

  /** Begins to cache its columns, if they are in text form: a cached description has only that one. */
  #follow(cached: ResultShape, { binary }: PgQuery): void {
    if (this.#check.kind === 'none' && !binary) this.#describeOnce.follow(cached);
  }

  /** Closes the statement that a new one replaces, in the same packet. */
  #makeRoomFor({ name }: Statement): void {
    if (this.#cache.has(name)) {
      this.#schema.reuse.notePreparedAgain();
      this.#environment.reuse.notePreparedAgain();
      this.#expire(name);
      this.#close(name);
    } else if (this.#cache.size >= this.#pool.limit) {
      this.#pool.counts.evicted++;
      this.#close(this.#cache.leastRecent!);
    }
  }

  #close(name: string): void {
    this.#cache.delete(name);
    if (!this.#isCorked) this.#connection.stream.cork?.();
    this.#isCorked = true;
    this.#connection.close({ type: 'S', name });
  }

  /**
   * Called when `pg` has closed the statement that is being sent, since a parameter could not be serialised. `pg` would otherwise
   * still treat it as prepared.
   */
  #closedByPg({ name }: Statement): void {
    this.#run = undefined;
    this.#cache.delete(name);
    delete this.#connection.parsedStatements[name];
    delete this.#connection.submittedNamedStatements?.[name];
    // Otherwise `pg` would take the answer to its Parse for a statement that exists.
    if (this.#client._activeQuery) this.#client._activeQuery.name = undefined;
  }

  #parsed(): void {
    const { statement, environment } = this.#run ?? {};
    if (statement === undefined) return;
    this.#pool.counts.prepared++;
    const cached = this.#cache.add(statement, environment!);
    if (this.#client._activeQuery) this.#follow(cached, this.#client._activeQuery);
    delete this.#connection.parsedStatements[statement.name];
  }

  #parametersAre(types: readonly number[]): void {
    const { statement, known } = this.#run ?? {};
    if (!statement || areLossless(types)) return;
    known!.unfit = 'parameters';
    this.#cache.expire(statement.name);
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
    const failure = run.isHit ? classifyStatementError(error) : undefined;
    if (failure === 'missing' || (!run.isHit && error.code === DUPLICATE_STATEMENT)) {
      this.#pool.noteMissing();
      if (run.wasIdle) this.#runAgain(query, undefined);
    }
    if (failure === 'outdated') this.#expireForAll(run);
    if (failure === 'outdated' && run.wasIdle) this.#runAgain(query, undefined);
    if (failure !== 'doubtful') return;
    if (run.wasIdle) this.#runAgain(query, run);
    // A transaction leaves that undecided. The next run is parsed anew, which decides it and costs no round trip.
    else this.#expire(run.statement.name);
  }

  /** Queues the query again, first and without its name. No part of it has run, and no caller was called back. */
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
    // It succeeds without the statement, so the statement was outdated, and no value was wrong.
    if (suspect) this.#expireForAll(suspect);
  }

  #ready(status: string | undefined): void {
    const now = performance.now();
    const run = this.#run;
    if (this.shared && run?.isHit && run.wasIdle && run.isBound) this.shared.noteAlone(run, now);
    // Further runs of a text that was found to be slower may be in flight. They must not warn again.
    if (run && !run.known.unfit && run.known.slowPlan.noteRun(run.statement !== undefined, now - run.startedAt)) {
      run.known.unfit = 'slower';
      this.#pool.noteSlower(run.text);
    }
    if (status === 'I' && this.#environment.transactionEnded() & Effect.schema) this.#schema.schemaChanged(now);
  }

  /**
   * Expires all statements. A change that makes the server refuse one statement concerns others, of which it does not refuse all:
   * some would read a value as one of the old type.
   */
  #expireForAll({ known, statement }: Run): void {
    if (known.noteRefusal(statement!)) this.#schema.schemaChanged(performance.now());
    this.#expire(statement!.name);
  }

  #expire(name: string): void {
    if (this.#cache.expire(name)) this.#pool.counts.invalidated++;
  }
}
