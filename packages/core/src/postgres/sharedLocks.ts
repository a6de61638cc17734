/** Advisory locks that Tenure holds on one session, in SHARE mode, and settings that it has made there: a reset of the session keeps them. */
export class SharedLocks {
  readonly #keys = new Set<string>();
  /** Makes the settings again. */
  setLeash: string | undefined;

  add(key: number, object: number): this {
    this.#keys.add(`${key}, ${object}`);
    return this;
  }

  remove(key: number, object: number): this {
    this.#keys.delete(`${key}, ${object}`);
    return this;
  }

  /** The session has none of them any more. */
  forget(): void {
    this.#keys.clear();
  }

  /**
   * Statements that clear a session, so that these locks stay: they are held by the transaction while those of the session are released. So
   * nobody else can take them in between. To be sent as one query, which is one transaction.
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
