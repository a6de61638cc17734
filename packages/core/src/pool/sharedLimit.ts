import { Census } from './census.js';

/** A pool, as the pools that share its limit see it. */
export interface LimitMember {
  /** Places taken: connections that are open, being opened or being closed. */
  readonly places: number;
  /** Since when its longest idle connection has been idle; `undefined` when none is. */
  readonly idleSince: number | undefined;
  /** Closes the connection that has been idle longest. */
  closeColdest(): void;
  /** Opens what its callers lack, if there is room now. */
  pump(): void;
  /** Whether nothing moves: each of its connections has been held for this long, with no query in flight. */
  isStalled(forMs: number): boolean;
}

/** Removes members that the app has forgotten: they are held weakly, since one may be made for each request. */
const forgotten = new FinalizationRegistry<() => void>((remove) => remove());

/**
 * One limit for several pools. Each has connections of its own, which no other pool ever uses; together they open no more than one of them may.
 * A pool that lacks a place gets that of the connection that has been idle longest, or of the next one that comes back to a pool with more.
 */
export class SharedLimit {
  /** The connections of all members. */
  readonly census = new Census();
  readonly #members = new Set<WeakRef<LimitMember>>();
  /** Members whose callers wait for a place, and how many they lack, in the order in which they get it. */
  readonly #lacking = new Map<LimitMember, number>();
  /** Places that have come free, and whose next owner is about to be found. */
  #free = 0;
  /** The member whose turn it is to take the place that has come free. */
  #turn: LimitMember | undefined;

  /** How many pools keep to this limit. */
  get owners(): number {
    return [...this.#live()].length;
  }

  /** @returns ends the membership */
  join(member: LimitMember): () => void {
    const ref = new WeakRef(member);
    this.#members.add(ref);
    const remove = () => void this.#members.delete(ref);
    forgotten.register(member, remove, ref);
    return () => {
      remove();
      forgotten.unregister(ref);
      this.#lacking.delete(member);
    };
  }

  /** Asks for places: the others close what is idle longest. With 0 it asks for none any more. */
  lacks(member: LimitMember, places: number): void {
    if (places > 0) this.#lacking.set(member, places);
    else this.#lacking.delete(member);
    for (let short = this.#short; short > 0; short--) {
      const coldest = this.#coldestExceptOf(member);
      if (coldest === undefined) return;
      coldest.closeColdest();
    }
  }

  /**
   * Whether a connection that has come back to a member is closed, so that another pool gets its place.
   *
   * @param isWanted a caller of its own pool waits for it: then it goes only to a pool with fewer connections
   */
  claims(from: LimitMember, isWanted: boolean): boolean {
    if (this.#lacking.size === 0 || this.#short <= 0) return false;
    for (const [member] of this.#lacking) {
      if (member !== from && (!isWanted || member.places < from.places)) return true;
    }
    return false;
  }

  /**
   * Whether a member may take a free place. Not while others lack one: the next is theirs.
   *
   * @param isNew the member has opened nothing yet: as long as another has an idle connection, it takes the place of that one
   */
  mayTake(member: LimitMember, isNew: boolean): boolean {
    if (this.#turn === member) return true;
    if (isNew && this.census.idle > 0) return false;
    return this.#lacking.size === (this.#lacking.has(member) ? 1 : 0);
  }

  /** A place has come free: the first who can use it gets it. A moment later, so that no pool acts in the middle of another's work. */
  freed(): void {
    if (this.#lacking.size === 0) return;
    this.#free++;
    queueMicrotask(() => {
      this.#free--;
      const { total } = this.census;
      for (const member of [...this.#lacking.keys()]) {
        this.#lacking.delete(member);
        this.#turn = member;
        member.pump();
        this.#turn = undefined;
        if (this.census.total > total) return;
      }
    });
  }

  /** Whether no pool gives anything back as long as nobody gets anything: they wait for each other. */
  isStalled(forMs: number): boolean {
    for (const member of this.#live()) if (!member.isStalled(forMs)) return false;
    return true;
  }

  /** Places that are lacking, less those that come free without anyone's doing. */
  get #short(): number {
    let lacking = 0;
    for (const places of this.#lacking.values()) lacking += places;
    return lacking - this.census.closing - this.#free;
  }

  #coldestExceptOf(asking: LimitMember): LimitMember | undefined {
    let coldest: LimitMember | undefined;
    for (const member of this.#live()) {
      const { idleSince = Number.POSITIVE_INFINITY } = member;
      if (member !== asking && idleSince < (coldest?.idleSince ?? Number.POSITIVE_INFINITY)) coldest = member;
    }
    return coldest;
  }

  *#live(): Iterable<LimitMember> {
    for (const ref of this.#members) {
      const member = ref.deref();
      if (member) yield member;
    }
  }
}
