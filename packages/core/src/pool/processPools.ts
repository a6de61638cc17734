import type { PoolFigures } from '../errors.js';
import type { Policy } from '../policy/policy.js';
import type { ConnectionInfo } from './entry.js';
import type { PoolEvents } from './events.js';
import { whenCollected } from './sharedLimit.js';
import type { Histogram, PoolStats } from './stats.js';

/** The part of a pool that a viewer of the whole process uses. These members must not change: see `KEY`. */
export interface PoolView {
  readonly policy: Policy;
  readonly figures: PoolFigures;
  /** The histogram of waits. Callers that did not wait are not in it. */
  readonly waits: Histogram;
  stats(): PoolStats;
  connections(): ConnectionInfo[];
  on<E extends keyof PoolEvents<object>>(event: E, listener: (...args: PoolEvents<object>[E]) => void): PoolView;
  off<E extends keyof PoolEvents<object>>(event: E, listener: (...args: PoolEvents<object>[E]) => void): PoolView;
}

/** The key under which a pool in front of an engine has that engine. Registered, so that all copies of this package in a process use the same. */
export const ENGINE: unique symbol = Symbol.for('@tenure/core engine');

/** The pools of this process that are not closed. */
class ProcessPools {
  /** Held weakly, because an app may make a pool for each request and never close it. */
  readonly #views = new Set<WeakRef<PoolView>>();

  /** @returns a function that removes the pool from the list */
  add(view: PoolView): () => void {
    const ref = new WeakRef(view);
    const remove = () => void this.#views.delete(ref);
    this.#views.add(ref);
    whenCollected.register(view, remove, ref);
    return remove;
  }

  /** The pools in the order in which they were made. */
  list(): PoolView[] {
    return [...this.#views].flatMap((ref) => ref.deref() ?? []);
  }
}

/** Registered, so that pools of the ESM and of the CommonJS copy of this module are in one list. */
const KEY = Symbol.for('@tenure/core pools 1');

/** The pools of this realm. */
export function processPools(): ProcessPools {
  const realm = globalThis as { [KEY]?: ProcessPools };
  if (realm[KEY] === undefined) Object.defineProperty(realm, KEY, { value: new ProcessPools() });
  return realm[KEY]!;
}
