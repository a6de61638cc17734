import { createHmac, randomBytes } from 'node:crypto';
import { SharedLimit } from '../../pool/sharedLimit.js';
import { Places } from './places.js';

/** The version of this package. Limits are shared among copies of the same version only: what the copies ask of each other is not to change. */
export const VERSION = '0.1.0';

/** What all copies of this version have in common, ESM and CommonJS. Each realm has its own: what a test runner isolates stays apart. */
export class Registry {
  readonly places = new Places();
  /** Held weakly: the pools that keep to a limit hold it. */
  readonly #limits = new Map<string, WeakRef<SharedLimit>>();
  readonly #salt = randomBytes(32);

  /** The limit of all pools with this identity, which is kept as a hash: names of hosts and users do not lie around. */
  limitOf(identity: string): SharedLimit {
    const key = createHmac('sha256', this.#salt).update(identity).digest('base64url');
    const known = this.#limits.get(key)?.deref();
    if (known) return known;
    for (const [other, limit] of this.#limits) if (limit.deref() === undefined) this.#limits.delete(other);
    const limit = new SharedLimit();
    this.#limits.set(key, new WeakRef(limit));
    return limit;
  }
}

const KEY = Symbol.for(`@tenure/core ${VERSION} pools`);

/** The registry of this realm. It may have been made by another copy of this package. */
export function registry(): Registry {
  const realm = globalThis as { [KEY]?: Registry };
  if (realm[KEY] === undefined) Object.defineProperty(realm, KEY, { value: new Registry() });
  return realm[KEY]!;
}
