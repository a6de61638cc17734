import type { Runtime } from './clock.js';
import type { PoolEntry } from './entry.js';

/** Called on the warm path, at each checkout and each return: it must be fast, and must neither throw nor use the pool. */
export interface UseObserver {
  /** Called when a caller got a connection. @param waitedMs how long it waited; 0 if it got one at once */
  lent(waitedMs: number): void;
  /** Called when a connection was returned, or taken from its holder. @param heldMs how long it was held */
  returned(heldMs: number): void;
}

/** Times how long connections are held, while there is an observer. Without one a checkout costs one more comparison. */
export class Uses<C extends object> {
  readonly #runtime: Runtime;
  #observers: readonly UseObserver[] | undefined;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  get areObserved(): boolean {
    return this.#observers !== undefined;
  }

  /** @returns a function that ends the observation */
  observe(observer: UseObserver): () => void {
    this.#observers = [...(this.#observers ?? []), observer];
    return () => {
      const others = this.#observers?.filter((other) => other !== observer) ?? [];
      this.#observers = others.length > 0 ? others : undefined;
    };
  }

  lent(entry: PoolEntry<C>, waitedMs: number): void {
    entry.observedAt = this.#runtime.now();
    for (const observer of this.#observers ?? []) observer.lent(waitedMs);
  }

  /** Called when a caller shares a connection that others use, which is held from its first checkout until its return. */
  joined(waitedMs: number): void {
    for (const observer of this.#observers ?? []) observer.lent(waitedMs);
  }

  /** A return that ends in a close is noted twice, and counts once. */
  returned(entry: PoolEntry<C>): void {
    if (entry.observedAt === undefined) return;
    const heldMs = this.#runtime.now() - entry.observedAt;
    entry.observedAt = undefined;
    for (const observer of this.#observers ?? []) observer.returned(heldMs);
  }
}
