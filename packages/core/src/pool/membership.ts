import { Census } from './census.js';
import type { LimitMember, SharedLimit } from './sharedLimit.js';

/** What a pool has to do with a limit that it shares with others: nothing, unless `find` finds one. */
export class Membership {
  /** The connections of this pool. */
  readonly census = new Census();
  readonly #find: () => SharedLimit | undefined;
  #member: LimitMember | undefined;
  #limit: SharedLimit | undefined;
  #leave: (() => void) | undefined;
  /** It has begun no connect yet. */
  #isNew = true;
  #isAlone = false;

  constructor(find: () => SharedLimit | undefined) {
    this.#find = find;
  }

  get isShared(): boolean {
    return this.#limit !== undefined;
  }

  /** How many pools keep to the limit. */
  get owners(): number {
    return this.#limit?.owners ?? 1;
  }

  /** Connections that wait to be reused, in all pools that keep to the limit. */
  get idle(): number {
    return (this.#limit?.census ?? this.census).idle;
  }

  /** Places of the limit that other pools have. */
  get others(): number {
    return this.#limit === undefined ? 0 : this.#limit.census.total - this.census.total;
  }

  /**
   * Places that this pool may not take. The first connection of a pool takes the place of one that is idle in another pool, where there is one:
   * a module that is evaluated over and over, and never closes its pool, then holds one connection and not one for each evaluation.
   */
  taken(maxConnections: number): number {
    const mayTake = this.#limit === undefined || this.#limit.mayTake(this.#member!, this.#isNew);
    return mayTake ? this.others : maxConnections;
  }

  begin(member: LimitMember): void {
    this.#member = member;
  }

  /** Before a pool opens its first connection. */
  join(): void {
    if (this.#isNew && this.#limit === undefined) this.#renew();
  }

  /** A connect is about to begin: the settings that tell which limit holds may have changed since the last one. */
  connecting(): void {
    this.#renew();
    this.#isNew = false;
  }

  /** How many places callers lack that only other pools can make free. */
  lacks(places: number): void {
    if (this.#leave) this.#limit?.lacks(this.#member!, this.#isNew ? Math.min(places, 1) : places);
  }

  /** Whether a connection that has come back is closed, for another pool to have its place. */
  claims(isWanted: boolean, ageMs: number): boolean {
    return this.#limit?.claims(this.#member!, isWanted, ageMs) === true;
  }

  /** A connection is gone. */
  freed(): void {
    this.#limit?.freed();
  }

  /** Goes on alone if no pool of the limit moves: they may wait for each other, as pools with limits of their own would not. Answers whether it does. */
  leaveIfStalled(forMs: number): boolean {
    if (!this.#leave || this.others === 0 || !this.#limit!.isStalled(forMs)) return false;
    this.#isAlone = true;
    this.#renew();
    return true;
  }

  /** The pool closes: it asks for nothing more. Its connections count until they are gone. */
  leave(): void {
    this.#leave?.();
    this.#leave = undefined;
    this.#isAlone = true;
  }

  #renew(): void {
    const limit = this.#isAlone ? undefined : this.#find();
    if (limit === this.#limit) return;
    this.#leave?.();
    this.census.moveTo(limit?.census);
    this.#limit?.freed();
    this.#limit = limit;
    this.#leave = limit?.join(this.#member!);
  }
}
