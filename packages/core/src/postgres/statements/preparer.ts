import type { Book, Statement } from './book.js';
import { type Described, DescribeOnce } from './describeOnce.js';
import { KeptStatements } from './keptStatements.js';
import { onSubmit, type SubmitListener } from './onSubmit.js';
import {
  type PgQuery,
  type PreparingClient,
  type PreparingConnection,
  type QueryClass,
  queryClassOf,
  wrapMethod,
} from './pgInternals.js';
import { type ServerError, verdictOf } from './verdict.js';

/** What the connections of one pool have in common. */
export interface Preparing {
  /** Nothing is prepared while this is false. */
  readonly isOn: boolean;
  /** Each client has a session of its own, for as long as it is connected. */
  readonly isDirect: boolean;
  readonly book: Book;
  /** How often a text must be run, and how many statements a connection keeps. */
  readonly threshold: number;
  readonly limit: number;
  readonly counts: { hits: number; prepared: number; evicted: number; invalidated: number };
}

/** A query that is under way as a prepared statement. */
interface Attempt {
  readonly statement: Statement;
  readonly text: string;
  /** It had been prepared before. */
  readonly isHit: boolean;
  /** No transaction was open. */
  readonly wasIdle: boolean;
  /** The server has taken the statement and the values: what fails from here on is the query itself. */
  isBound: boolean;
}

/** A query that is run again, without a name. */
interface Rerun {
  readonly query: PgQuery;
  /** To blame, if the query succeeds now. */
  readonly suspect: Attempt | undefined;
}

/**
 * The commands after which statements need another Parse: those that change tables, for every session; those that make or drop something,
 * which no other session may see yet, or ever; those that drop the statements of this session.
 */
const AFTERMATH = /^(?:(ALTER )|(CREATE |DROP )|(DISCARD ALL|DEALLOCATE ALL)$)/;

/**
 * Sends the repeated queries of one client as prepared statements. The queries stay what `pg` made them, so that all forms of call, results
 * and errors stay too: they only get a name, and `pg` knows what to do with queries that have one.
 */
export class Preparer implements SubmitListener {
  readonly #client: PreparingClient;
  readonly #connection: PreparingConnection;
  readonly #pool: Preparing;
  readonly #Query: QueryClass;
  readonly #kept = new KeptStatements();
  readonly #describeOnce: DescribeOnce;
  /** Queries that the app made itself. */
  readonly #foreign = new WeakSet<object>();
  #attempt: Attempt | undefined;
  #rerun: Rerun | undefined;
  #searchPath: string | undefined;
  #isCorked = false;

  constructor(client: PreparingClient, pool: Preparing) {
    this.#client = client;
    this.#connection = client.connection;
    this.#pool = pool;
    this.#Query = queryClassOf(client)!;
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
      const attempt = this.#attempt;
      if (attempt && message.type === 'S' && message.name === attempt.statement.name) this.#closedByPg(attempt);
      original().call(connection, message);
    });
    // Before `pg` tells the caller, and after `pg` has noted what was parsed.
    connection.prependListener('errorMessage', (error) => this.#failed(error));
    connection.on('parseComplete', () => this.#parsed());
    connection.on('bindComplete', () => this.#bound());
    connection.on('commandComplete', ({ text }) => this.#completed(text));
    connection.on('parameterStatus', ({ parameterName, parameterValue }) => {
      if (parameterName === 'search_path') this.#searchPath = parameterValue;
    });
  }

  before(query: PgQuery): void {
    this.#attempt = undefined;
    this.#describeOnce.follow(undefined);
    if (query === this.#rerun?.query) return;
    this.#rerun = undefined;
    if (!this.#pool.isOn || !this.#qualifies(query)) return;
    const { text } = query;
    const statement = this.#pool.book.use(text, this.#pool.threshold);
    if (statement === undefined) return;
    const kept = this.#kept.use(statement, this.#searchPath);
    const isHit = kept !== undefined;
    if (isHit) this.#hit(statement, kept, query);
    else this.#makeRoomFor(statement);
    query.name = statement.name;
    const wasIdle = this.#client.getTransactionStatus?.() === 'I';
    this.#attempt = { statement, text, isHit, wasIdle, isBound: false };
  }

  after(): void {
    // The table is the app's, and would hold on to every text.
    if (this.#attempt?.isHit) delete this.#connection.parsedStatements[this.#attempt.statement.name];
    if (this.#isCorked) this.#connection.stream.uncork?.();
    this.#isCorked = false;
  }

  /** Only what the client itself made of a text with parameters. Everything else has reasons of its own. */
  #qualifies(query: PgQuery): query is PgQuery & { readonly text: string } {
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

  #hit({ name }: Statement, kept: Described, query: PgQuery): void {
    this.#pool.counts.hits++;
    // `pg` sends no Parse for what is in its table.
    this.#connection.parsedStatements[name] = query.text as string;
    this.#follow(kept, query);
  }

  /** Columns are described as they are to come, and remembered as text. */
  #follow(kept: Described, { binary }: PgQuery): void {
    if (this.#pool.isDirect && !binary) this.#describeOnce.follow(kept);
  }

  /** Closes what is in the way of a new statement, in the packet that carries it. */
  #makeRoomFor({ name }: Statement): void {
    if (this.#kept.has(name)) {
      this.#expire(name);
      this.#close(name);
    } else if (this.#kept.size >= this.#pool.limit) {
      this.#pool.counts.evicted++;
      this.#close(this.#kept.leastRecent!);
    }
  }

  #close(name: string): void {
    this.#kept.delete(name);
    this.#connection.stream.cork?.();
    this.#isCorked = true;
    this.#connection.close({ type: 'S', name });
  }

  /** `pg` has closed the statement that is being sent, since a parameter could not be serialised; it would go on as if it had not. */
  #closedByPg({ statement: { name } }: Attempt): void {
    this.#attempt = undefined;
    this.#kept.delete(name);
    delete this.#connection.parsedStatements[name];
    delete this.#connection.submittedNamedStatements?.[name];
    // Or the answer to its Parse would be taken for a statement that is there.
    if (this.#client._activeQuery) this.#client._activeQuery.name = undefined;
  }

  #parsed(): void {
    if (this.#attempt === undefined) return;
    const { name } = this.#attempt.statement;
    this.#pool.counts.prepared++;
    const kept = this.#kept.add(this.#attempt.statement, this.#searchPath);
    if (this.#client._activeQuery) this.#follow(kept, this.#client._activeQuery);
    delete this.#connection.parsedStatements[name];
  }

  #bound(): void {
    if (this.#attempt) this.#attempt.isBound = true;
    this.#describeOnce.bound();
  }

  #failed(error: ServerError): void {
    this.#rerun = undefined;
    const attempt = this.#attempt;
    const query = this.#client._activeQuery;
    if (!attempt?.isHit || attempt.isBound || !query) return;
    this.#attempt = undefined;
    const verdict = verdictOf(error);
    if (verdict === undefined) return;
    if (verdict === 'outdated') this.#renew(attempt);
    // Closing what is not there does no harm.
    if (verdict === 'missing') this.#expire(attempt.statement.name);
    if (attempt.wasIdle) this.#runAgain(query, verdict === 'doubtful' ? attempt : undefined);
    // Nobody can tell now. A Parse of its own tells the next time, and costs no round trip.
    else if (verdict === 'doubtful') this.#expire(attempt.statement.name);
  }

  /** Puts the query back, first in line, without its name. Nothing of it has run, and its caller has heard nothing. */
  #runAgain(query: PgQuery, suspect: Attempt | undefined): void {
    const { callback } = query;
    this.#rerun = { query, suspect };
    query.name = undefined;
    query.callback = () => {
      query.callback = callback;
      this.#client._queryQueue.unshift(query);
    };
  }

  #completed(command: string): void {
    const suspect = this.#rerun?.suspect;
    this.#rerun = undefined;
    // Without the statement it works: so the statement was to blame, and not a value.
    if (suspect) this.#renew(suspect);
    const [, altered, madeOrDropped, discarded] = AFTERMATH.exec(command) ?? [];
    if (altered) this.#pool.book.renewAll();
    if (madeOrDropped) this.#pool.counts.invalidated += this.#kept.expireAll();
    if (!discarded) return;
    this.#pool.counts.invalidated += this.#kept.size;
    this.#kept.clear();
  }

  #renew({ text, statement }: Attempt): void {
    this.#pool.book.renew(text, statement);
    this.#expire(statement.name);
  }

  #expire(name: string): void {
    if (this.#kept.expire(name)) this.#pool.counts.invalidated++;
  }
}
