import { classifyStatementError, type ServerError } from '../failures.js';
import type { PgQuery, PreparingWire, RowDescription } from '../pgTypes.js';
import { isSharedText, ShortRead } from '../pipeline/shortRead.js';
import type { CountedText, SessionCache, Statement } from './cache.js';
import { copyOf, type DescribeOnce, type ResultShape } from './describeOnce.js';
import type { Environment } from './environment.js';
import type { Preparing } from './preparing.js';
import type { SchemaCheck } from './schemaCheck.js';
import type { SchemaWatch } from './schemaWatch.js';

/** A read that this connection has prepared and described. */
export interface SharedRun {
  readonly known: CountedText;
  readonly text: string;
  readonly statement: Statement;
  readonly shape: ResultShape & { readonly columns: RowDescription };
}

/** A run of a prepared text that had the connection alone. */
interface RunAlone {
  readonly known: CountedText;
  readonly text: string;
  readonly startedAt: number;
  /** The `bytesRead` at its start. */
  readonly bytesBefore: number;
}

interface Parts {
  readonly connection: PreparingWire;
  readonly pool: Preparing;
  readonly schema: SchemaWatch;
  readonly cache: SessionCache;
  readonly environment: Environment;
  readonly describeOnce: DescribeOnce;
  readonly check: SchemaCheck;
  /** Called when the last run of the connection's sole user is over: no further answer belongs to it. */
  readonly forgetRun: () => void;
}

/** The prepared statements of one connection, for reads that share it. Nothing is prepared or closed meanwhile. */
export class SharedRuns {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** The number of bytes that the server has sent on this connection. */
  get bytesRead(): number {
    return this.#parts.connection.stream.bytesRead ?? 0;
  }

  /** The run of a text with parameters, if it may be sent beside others: it is short, and nothing must go before it. */
  find(text: string, now: number): SharedRun | undefined {
    const { pool, schema, check, environment, cache } = this.#parts;
    if (!pool.isOn || check.kind !== 'none' || check.isOwed) return undefined;
    const known = schema.texts.get(text);
    if (!known.shortRead?.isShort || known.unfit || known.slowPlan.isComparing) return undefined;
    // A check goes before a query that has the connection alone.
    if (schema.requestCheck(now) || !schema.isTrusted(now)) return undefined;
    const { current } = environment;
    const statement = current === undefined ? undefined : known.statementFor(text);
    const shape = statement && cache.use(statement, current!);
    const columns = shape?.columns;
    if (!statement || columns === undefined || columns === 'nothing') return undefined;
    return { known, text, statement, shape: { columns } };
  }

  /** Notes a run of a prepared text that had the connection alone: it may turn out to be a short read. */
  noteAlone({ known, text, startedAt, bytesBefore }: RunAlone, now: number): void {
    if (!this.#parts.pool.sharesReads) return;
    if (known.shortRead === undefined) {
      if (!isSharedText(text, known.facts)) return;
      known.shortRead = new ShortRead(this.#parts.schema.texts.usual);
    }
    known.shortRead.noteRun(now - startedAt, this.bytesRead - bytesBefore);
  }

  /** Writes a query as this run: `write` sends Bind, Execute and Sync. */
  write({ statement, text, shape }: SharedRun, query: PgQuery, write: () => void): void {
    const { connection, pool, schema, environment, describeOnce, forgetRun } = this.#parts;
    forgetRun();
    pool.counts.hits++;
    schema.reuse.noteUse();
    environment.reuse.noteUse();
    describeOnce.follow(shape);
    // `pg` sends no Parse for a statement in its table.
    connection.parsedStatements[statement.name] = text;
    query.name = statement.name;
    try {
      write();
    } finally {
      delete connection.parsedStatements[statement.name];
      describeOnce.follow(undefined);
    }
  }

  /** Emits the columns of a run, as if the server had described them. */
  describe({ shape }: SharedRun): void {
    this.#parts.connection.emit('rowDescription', copyOf(shape.columns));
  }

  /**
   * Called when a run failed before it was bound.
   *
   * @returns whether it may succeed when it has a connection alone, where it is prepared anew
   */
  failed({ known, statement }: SharedRun, error: ServerError, now: number): boolean {
    const { pool, schema, cache } = this.#parts;
    const failure = classifyStatementError(error);
    if (failure === 'missing') pool.noteMissing();
    if (failure === 'outdated') {
      if (known.noteRefusal(statement)) schema.schemaChanged(now);
      if (cache.expire(statement.name)) pool.counts.invalidated++;
    }
    return failure !== undefined;
  }
}
