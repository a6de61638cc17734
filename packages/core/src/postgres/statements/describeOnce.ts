import { wrapMethod } from '../patches.js';
import type { Field, PreparingWire, RowDescription } from '../pgTypes.js';

/** What a prepared statement returns: its columns, or `nothing`; not known before its first run. */
export interface ResultShape {
  columns: RowDescription | 'nothing' | undefined;
}

/**
 * Has the server describe the columns of a prepared statement once. `pg` asks with every run, and gets the answer of the first one: the session
 * refuses to run a statement whose columns have changed their names or types (0A000). For a wide row that is a good part of the answer, on both sides.
 *
 * Not behind a pooler, which may carry the statement to a session that refuses nothing. What may grow old, until the next look, is the `tableID`
 * and `columnID` of a column, where the text has come to mean another table with the same columns.
 */
export class DescribeOnce {
  readonly #connection: PreparingWire;
  #statement: ResultShape | undefined;
  /** What the server was not asked for. */
  #remembered: ResultShape['columns'];
  /** The name of a statement that is sent for the first time: its parameters are to be described too. */
  #new: { readonly name: string; readonly isBinary: boolean } | undefined;

  constructor(connection: PreparingWire) {
    this.#connection = connection;
    wrapMethod(connection, 'describe', (original) => (message) => {
      this.#remembered = this.#statement?.columns;
      if (this.#remembered !== undefined) return;
      // The description of a statement has the parameters, that of a portal the format of the columns.
      if (this.#new) original().call(connection, { type: 'S', name: this.#new.name });
      if (!this.#new || this.#new.isBinary) original().call(connection, message);
    });
    // Before `pg` makes them the result's, and the app's.
    connection.prependListener('rowDescription', (columns) => this.#learn(columns));
    connection.on('noData', () => this.#learn('nothing'));
  }

  /** From here on, what is sent and answered is a run of this statement; `undefined`: of something else. */
  follow(statement: ResultShape | undefined): void {
    this.#statement = statement;
    this.#remembered = undefined;
    this.#new = undefined;
  }

  /** What is sent next is the first run of a statement. */
  introduce(name: string, isBinary: boolean): void {
    this.follow(undefined);
    this.#new = { name, isBinary };
  }

  /** The server has taken the statement. Its columns, which it was not asked for, are given as if it had sent them. */
  bound(): void {
    const columns = this.#remembered;
    if (columns !== undefined && columns !== 'nothing') this.#connection.emit('rowDescription', copyOf(columns));
  }

  #learn(columns: RowDescription | 'nothing'): void {
    if (this.#statement === undefined || this.#remembered !== undefined) return;
    this.#statement.columns = columns === 'nothing' ? columns : copyOf(columns);
  }
}

/** Each result has columns of its own, which the app may change. */
function copyOf(columns: RowDescription): RowDescription {
  return { ...columns, fields: columns.fields.map(copyOfField) };
}

/** Of the class that `pg` has for them. */
function copyOfField(field: Field): Field {
  const FieldClass = field.constructor as new (...values: unknown[]) => Field;
  const { name, tableID, columnID, dataTypeID, dataTypeSize, dataTypeModifier, format } = field;
  return new FieldClass(name, tableID, columnID, dataTypeID, dataTypeSize, dataTypeModifier, format);
}
