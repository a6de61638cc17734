import type { PoolFigures } from '../errors.js';
import type { Policy } from '../policy/policy.js';
import type { ConnectionInfo } from './entry.js';
import type { PoolEvents } from './events.js';
import { whenCollected } from './sharedLimit.js';
import type { Histogram, PoolStats } from './stats.js';

/** A pool, as a viewer of the whole process sees it. These members must not change: see `KEY`. */
export interface PoolView {
  readonly policy: Policy;
  readonly figures: PoolFigures;
  /** How long callers waited; those that did not wait are not in it. */
  readonly waits: Histogram;
  stats(): PoolStats;
  connections(): ConnectionInfo[];
  on<E extends keyof PoolEvents<object>>(event: E, listener: (...args: PoolEvents<object>[E]) => void): PoolView;
  off<E extends keyof PoolEvents<object>>(event: E, listener: (...args: PoolEvents<object>[E]) => void): PoolView;
}

/** Under this key a pool in front of an engine has it. Registered, for the copies of this package in a process. */
export const ENGINE: unique symbol = Symbol.for('@tenure/core engine');

/** The pools of this process that are not closed. */
class ProcessPools {
  /** Held weakly: an app may make a pool for each request, and never close one. */
  readonly #views = new Set<WeakRef<PoolView>>();

  /** @returns removes the pool from the list */
  add(view: PoolView): () => void {
    const ref = new WeakRef(view);
    const remove = () => void this.#views.delete(ref);
    this.#views.add(ref);
    whenCollected.register(view, remove, ref);
    return remove;
  }

  /** In the order in which they were made. */
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
