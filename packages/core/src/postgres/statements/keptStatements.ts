import type { Statement } from './book.js';
import type { Described } from './describeOnce.js';

/** A statement that the server has under some name. */
interface Copy extends Described {
  /** What it was prepared as; undefined once it must not be used any more. */
  statement: Statement | undefined;
  /** The session's environment at that time: in another one the same text may mean something else. */
  readonly environment: number;
  /** The number of its last use among all uses. */
  lastUse: number;
}

/** The prepared statements of one session. */
export class KeptStatements {
  readonly #copies = new Map<string, Copy>();
  #uses = 0;

  get size(): number {
    return this.#copies.size;
  }

  /** This very statement, if it is ready to be used; it now is the one used last. */
  use(statement: Statement, environment: number): Described | undefined {
    const copy = this.#copies.get(statement.name);
    if (copy?.statement !== statement || copy.environment !== environment) return undefined;
    copy.lastUse = ++this.#uses;
    return copy;
  }

  add(statement: Statement, environment: number): Described {
    const copy: Copy = { statement, environment, columns: undefined, lastUse: ++this.#uses };
    this.#copies.set(statement.name, copy);
    return copy;
  }

  /** Whether the server has a statement of this name: one to use, or one to close. */
  has(name: string): boolean {
    return this.#copies.has(name);
  }

  /** Looked for when one must go, and not kept track of at each use: a use must cost next to nothing. */
  get leastRecent(): string | undefined {
    let least: string | undefined;
    let lastUse = Number.POSITIVE_INFINITY;
    for (const [name, copy] of this.#copies) {
      if (copy.lastUse >= lastUse) continue;
      least = name;
      ({ lastUse } = copy);
    }
    return least;
  }

  /** The server still has it, but it must not be used any more. False if that was known. */
  expire(name: string): boolean {
    const copy = this.#copies.get(name);
    if (copy?.statement === undefined) return false;
    copy.statement = undefined;
    return true;
  }

  /** The server has it no more. */
  delete(name: string): void {
    this.#copies.delete(name);
  }
}
