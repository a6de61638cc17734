/** Advisory locks that Tenure holds on one session, in SHARE mode, and settings that it has made there. A reset of the session keeps both. */
export class SharedLocks {
  readonly #keys = new Set<string>();
  /** SQL that makes the settings again. */
  setLeash: string | undefined;

  add(key: number, object: number): this {
    this.#keys.add(`${key}, ${object}`);
    return this;
  }

  remove(key: number, object: number): this {
    this.#keys.delete(`${key}, ${object}`);
    return this;
  }

  /** Called when the session has none of them any more. */
  forget(): void {
    this.#keys.clear();
  }

  /**
   * Statements that clear a session and keep these locks: the transaction holds them while those of the session are released, so
   * no other session can take them in between. Send them as one query, which is one transaction.
   */
  kept(clearing: readonly string[]): readonly string[] {
    if (this.#keys.size === 0) return clearing;
    const lock = (mode: string) => {
      const locks = [...this.#keys].map((keys) => `pg_catalog.pg_advisory_${mode}(${keys})::text`);
      return `SELECT ${locks.join(', ')}`;
    };
    return [lock('xact_lock_shared'), ...clearing, lock('lock_shared'), ...(this.setLeash ? [this.setLeash] : [])];
  }
}
