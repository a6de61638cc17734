import { createHmac, randomBytes } from 'node:crypto';

/** The version of this package. A pool is shared among copies of the same version only: what they hand each other is not to change. */
export const VERSION = '0.1.0';

/** A pool that others may join, and what they must have in common with it. Held weakly: who owns it, or a socket, keeps it. */
export interface Listing {
  readonly pool: WeakRef<object>;
  readonly fingerprint: Fingerprint;
  /** Where in the app the pool was made; known only when `leakAfterMs` is set. */
  readonly site: string | undefined;
  /** Someone was told that others have joined. */
  told: boolean;
}

/** An identity in a form that may lie around: what could be a secret stands here as its salted hash. */
export interface Fingerprint {
  /** Equal for two pools only if they are to be one. */
  readonly key: string;
  /** Equal for two pools that connect to the same database as the same user with the same credentials. */
  readonly target: string;
  /** Every setting by its name. */
  readonly settings: ReadonlyMap<string, string>;
}

/** What all copies of this version have in common, ESM and CommonJS. Each realm has its own: what a test runner isolates stays apart. */
export class Registry {
  readonly listings = new Map<string, Listing>();
  /** What was told already; once is enough. */
  readonly told = new Set<string>();
  readonly #salt = randomBytes(32);
  readonly #numbers = new WeakMap<object, number>();
  #lastNumber = 0;

  /** Under which number this process knows a function or an object. */
  numberOf(object: object): number {
    const known = this.#numbers.get(object);
    if (known !== undefined) return known;
    this.#numbers.set(object, ++this.#lastNumber);
    return this.#lastNumber;
  }

  /** A hash that says nothing outside this process. */
  digest(text: string): string {
    return createHmac('sha256', this.#salt).update(text).digest('base64url');
  }

  /** What goes by this key, unless it is gone. */
  find(key: string): Listing | undefined {
    return this.listings.get(key);
  }

  /** Lists a pool, and forgets those that are gone. */
  list(listing: Listing): void {
    for (const [key, { pool }] of this.listings) if (pool.deref() === undefined) this.listings.delete(key);
    this.listings.set(listing.fingerprint.key, listing);
  }

  /** Nobody is to join this pool any more. */
  withdraw(pool: object): void {
    for (const [key, listing] of this.listings) if (listing.pool.deref() === pool) this.listings.delete(key);
  }
}

const KEY = Symbol.for(`@tenure/core ${VERSION} pools`);

/** The registry of this realm. It may have been made by another copy of this package. */
export function registry(): Registry {
  const realm = globalThis as { [KEY]?: Registry };
  if (realm[KEY] === undefined) Object.defineProperty(realm, KEY, { value: new Registry() });
  return realm[KEY]!;
}
