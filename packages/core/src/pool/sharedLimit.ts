import { type Runtime, systemRuntime, type Timer } from './clock.js';
import { Counts } from './entry.js';

/** The part of a pool that the pools with the same limit use. */
export interface LimitMember {
  /** Places taken: connections that are open, being opened or being closed. */
  readonly places: number;
  /** Milliseconds since its longest idle connection was last used; `undefined` when none is idle. */
  readonly idleMs: number | undefined;
  /** Whether the pool closes. Its connections count until they are gone. */
  readonly isClosing: boolean;
  /** Closes the connection that has been idle longest. */
  closeColdest(): void;
  /** Opens what its callers lack, or requests the room. */
  run(): void;
  /** Whether each of its connections has been held for this long, with no query in flight. */
  isStalled(forMs: number): boolean;
}

/**
 * Protects connections from frequent changes of owner, since a place that changes pools costs a connect. A connection that its
 * own pool has just used, or has had for less than this, is closed only for a pool with fewer connections. Otherwise two pools
 * that take turns would close each other's connections with each turn.
 */
const SLICE_MS = 250;

/** Runs a function when an object that was held weakly has been collected, because an app may make a pool for each request and never close it. */
export const whenCollected = new FinalizationRegistry<() => void>((run) => run());

/**
 * One limit for several pools. Each has connections of its own, which no other pool ever uses. Together they open no more than
 * one of them may. A pool that lacks a place gets one in two ways: another pool closes an idle connection, or a pool with more
 * connections closes one that comes back.
 */
export class SharedLimit {
  /** The connections of all members. */
  readonly counts = new Counts();
  readonly #runtime: Runtime;
  readonly #members = new Set<WeakRef<LimitMember>>();
  /** Members whose callers wait for a place, and how many they lack, in the order in which they get one. */
  readonly #lacking = new Map<LimitMember, number>();
  /** Places that have become free, and whose next owner is about to be found. */
  #free = 0;
  /** The member whose turn it is to take the free place. */
  #turn: LimitMember | undefined;
  #timer: Timer | undefined;

  constructor(runtime: Runtime = systemRuntime) {
    this.#runtime = runtime;
  }

  /** How many pools share this limit. */
  get owners(): number {
    return [...this.#live()].filter(({ isClosing }) => !isClosing).length;
  }

  /** @returns a function that ends the membership */
  join(member: LimitMember): () => void {
    const ref = new WeakRef(member);
    this.#members.add(ref);
    const remove = () => void this.#members.delete(ref);
    whenCollected.register(member, remove, ref);
    return () => {
      remove();
      whenCollected.unregister(ref);
      this.#lacking.delete(member);
    };
  }

  /** Requests places. The other members close idle connections, longest idle first. 0 ends the request. */
  request(member: LimitMember, places: number): void {
    if (places > 0) this.#lacking.set(member, places);
    else this.#lacking.delete(member);
    if (places > 0) this.#makeRoomFor(member);
  }

  /**
   * Whether a connection that was returned to a member must be closed, so that another pool gets its place.
   *
   * @param isWanted whether a caller of its own pool waits for it
   * @param ageMs how long the pool has had it
   */
  claims(from: LimitMember, isWanted: boolean, ageMs: number): boolean {
    if (this.#lacking.size === 0 || this.#short <= 0 || (isWanted && ageMs < SLICE_MS)) return false;
    for (const member of this.#lacking.keys()) if (member.places < from.places) return true;
    return false;
  }

  /**
   * Whether a member may take a free place. While others lack one, the next is theirs.
   *
   * @param isNew whether the member has opened nothing yet: as long as another has an idle connection, it takes the place of that
   * one
   */
  mayTake(member: LimitMember, isNew: boolean): boolean {
    if (this.#turn === member) return true;
    if (isNew && this.counts.idle > 0) return false;
    return this.#lacking.size === (this.#lacking.has(member) ? 1 : 0);
  }

  /**
   * Called when a place has become free: the first member that can use it gets it. It does so a moment later, so that no pool
   * acts in the middle of another's work.
   */
  freed(): void {
    if (this.#lacking.size === 0) return;
    this.#free++;
    queueMicrotask(() => {
      this.#free--;
      const { total } = this.counts;
      for (const member of [...this.#lacking.keys()]) {
        this.#lacking.delete(member);
        this.#turn = member;
        member.run();
        this.#turn = undefined;
        if (this.counts.total > total) return;
      }
    });
  }

  /** Whether no pool returns a place as long as none gets one: they wait for each other. */
  isStalled(forMs: number): boolean {
    for (const member of this.#live()) if (!member.isStalled(forMs)) return false;
    return true;
  }

  /** Places that are lacking, less those that are becoming free anyway. */
  get #short(): number {
    let lacking = 0;
    for (const places of this.#lacking.values()) lacking += places;
    return lacking - this.counts.closing - this.#free;
  }

  #makeRoomFor(asking: LimitMember): void {
    for (let short = this.#short; short > 0; short--) {
      const spare = this.#spareFor(asking);
      if (spare === undefined) return this.counts.idle > 0 ? this.#lookAgain() : undefined;
      spare.closeColdest();
    }
  }

  /** Called when a member has an idle connection. A member that lacks a place gets its place once it has been idle for long enough. */
  idled(): void {
    if (this.#lacking.size > 0) this.#lookAgain();
  }

  #lookAgain(): void {
    this.#timer ??= this.#runtime.after(SLICE_MS, () => {
      this.#timer = undefined;
      for (const member of [...this.#lacking.keys()]) member.run();
    });
  }

  /** The pool with the longest idle connection, among those that can do without one. */
  #spareFor(asking: LimitMember): LimitMember | undefined {
    let spare: LimitMember | undefined;
    for (const member of this.#live()) {
      const { idleMs } = member;
      if (member === asking || idleMs === undefined || idleMs <= (spare?.idleMs ?? -1)) continue;
      if (idleMs >= SLICE_MS || asking.places < member.places) spare = member;
    }
    return spare;
  }

  *#live(): Iterable<LimitMember> {
    for (const ref of this.#members) {
      const member = ref.deref();
      if (member) yield member;
    }
  }
}

/** A pool's membership in a shared limit: none, unless `find` finds one. */
export class Membership {
  /** The connections of this pool. */
  readonly counts = new Counts();
  readonly #find: () => SharedLimit | undefined;
  #member: LimitMember | undefined;
  #limit: SharedLimit | undefined;
  #leave: (() => void) | undefined;
  /** Whether no connect has begun yet. */
  #isNew = true;
  #isAlone = false;
  #isClosed = false;

  constructor(find: () => SharedLimit | undefined) {
    this.#find = find;
  }

  get isShared(): boolean {
    return this.#limit !== undefined;
  }

  /** How many pools share the limit. */
  get owners(): number {
    return this.#limit?.owners ?? 1;
  }

  /** Idle connections of all pools that share the limit. */
  get idle(): number {
    return (this.#limit?.counts ?? this.counts).idle;
  }

  /** Places of the limit that other pools have. */
  get elsewhere(): number {
    return this.#limit === undefined ? 0 : this.#limit.counts.total - this.counts.total;
  }

  /**
   * Places that this pool may not take. The first connection of a pool takes the place of an idle one of another pool, if there
   * is one. So a module that is evaluated over and over, and never closes its pool, holds one connection, not one for each
   * evaluation.
   */
  taken(maxConnections: number): number {
    const mayTake = this.#limit === undefined || this.#limit.mayTake(this.#member!, this.#isNew);
    return mayTake ? this.elsewhere : maxConnections;
  }

  begin(member: LimitMember): void {
    this.#member = member;
  }

  /** Called before a pool opens its first connection. */
  join(): void {
    if (this.#isNew && this.#limit === undefined) this.#renew();
  }

  /** Called before each connect: the settings that decide which limit is shared may have changed. */
  connecting(): void {
    this.#renew();
    this.#isNew = false;
  }

  /** Requests places that waiting callers lack and only other pools can make free. */
  request(places: number): void {
    if (this.#leave && !this.#isClosed) this.#limit?.request(this.#member!, this.#isNew ? Math.min(places, 1) : places);
  }

  /** Called when a connection has become idle. */
  idled(): void {
    this.#limit?.idled();
  }

  /** Whether a connection that was returned must be closed, so that another pool gets its place. */
  claims(isWanted: boolean, ageMs: number): boolean {
    return this.#limit?.claims(this.#member!, isWanted, ageMs) === true;
  }

  /** Called when a connection is gone. */
  freed(): void {
    this.#limit?.freed();
    if (this.#isClosed) this.#endWhenEmpty();
  }

  /**
   * Leaves the limit if all of its pools are stalled. They may wait for each other, which pools with limits of their own could
   * not. @returns whether it left
   */
  leaveIfStalled(forMs: number): boolean {
    if (!this.#leave || this.#isClosed || this.elsewhere === 0 || !this.#limit!.isStalled(forMs)) return false;
    this.#isAlone = true;
    this.#renew();
    return true;
  }

  /**
   * Called when the pool closes: it requests no more places. It stays a member while it has connections, because others wait for
   * them and are not stalled.
   */
  close(): void {
    this.#isClosed = true;
    this.#isAlone = true;
    if (this.#leave) this.#limit?.request(this.#member!, 0);
    this.#endWhenEmpty();
  }

  /**
   * Ends the membership with the last connection. Otherwise an app that makes and ends a pool for each request would leave a
   * member for each behind, until they are collected.
   */
  #endWhenEmpty(): void {
    if (this.counts.total > 0) return;
    this.#leave?.();
    this.#leave = undefined;
  }

  #renew(): void {
    const limit = this.#isAlone ? undefined : this.#find();
    if (limit === this.#limit) return;
    this.#leave?.();
    this.counts.moveTo(limit?.counts);
    this.#limit?.freed();
    this.#limit = limit;
    this.#leave = limit?.join(this.#member!);
  }
}
