import { wrapMethod } from '../patches.js';
import type { Field, PreparingWire, RowDescription } from '../pgTypes.js';

/** The result of a prepared statement: its columns, or `nothing`; `undefined` before its first run. */
export interface ResultShape {
  columns: RowDescription | 'nothing' | undefined;
}

/**
 * Requests the columns of a prepared statement once. `pg` requests them with every run and gets the same answer, because the
 * session refuses to run a statement whose columns have changed their names or types (0A000). For a wide row the description is a
 * large part of the answer, on both sides.
 *
 * Not used behind a pooler, which in transaction mode may run the statement on a session that refuses nothing. Only the `tableID`
 * and `columnID` of a column may be outdated, if the text now means another table with the same columns; the next schema check
 * corrects that.
 */
export class DescribeOnce {
  readonly #connection: PreparingWire;
  #statement: ResultShape | undefined;
  /** The cached columns of this run, whose description was not requested. */
  #cached: ResultShape['columns'];
  /** Set for a statement that is sent for the first time: its parameters are described as well. */
  #new: { readonly name: string; readonly isBinary: boolean } | undefined;

  constructor(connection: PreparingWire) {
    this.#connection = connection;
    wrapMethod(connection, 'describe', (original) => (message) => {
      this.#cached = this.#statement?.columns;
      if (this.#cached !== undefined) return;
      // The description of a statement includes the parameters, that of a portal the format of the columns.
      if (this.#new) original().call(connection, { type: 'S', name: this.#new.name });
      if (!this.#new || this.#new.isBinary) original().call(connection, message);
    });
    // Runs before `pg` puts them into the result, where the app may change them.
    connection.prependListener('rowDescription', (columns) => this.#remember(columns));
    connection.on('noData', () => this.#remember('nothing'));
  }

  /** Called before a query: it is a run of this statement; `undefined` if it is not cached. */
  follow(statement: ResultShape | undefined): void {
    this.#statement = statement;
    this.#cached = undefined;
    this.#new = undefined;
  }

  /** Called before the first run of a statement. */
  introduce(name: string, isBinary: boolean): void {
    this.follow(undefined);
    this.#new = { name, isBinary };
  }

  /** Called when the server has accepted the run. Cached columns are emitted as if the server had sent them. */
  bound(): void {
    const columns = this.#cached;
    if (columns !== undefined && columns !== 'nothing') this.#connection.emit('rowDescription', copyOf(columns));
  }

  #remember(columns: RowDescription | 'nothing'): void {
    if (this.#statement === undefined || this.#cached !== undefined) return;
    this.#statement.columns = columns === 'nothing' ? columns : copyOf(columns);
  }
}

/** A copy for each result, since the app may change its columns. */
export function copyOf(columns: RowDescription): RowDescription {
  return { ...columns, fields: columns.fields.map(copyOfField) };
}

/** A copy of the same class, which is that of `pg`. */
function copyOfField(field: Field): Field {
  const FieldClass = field.constructor as new (...values: unknown[]) => Field;
  const { name, tableID, columnID, dataTypeID, dataTypeSize, dataTypeModifier, format } = field;
  return new FieldClass(name, tableID, columnID, dataTypeID, dataTypeSize, dataTypeModifier, format);
}
