import { type Runtime, systemRuntime, type Timer } from './clock.js';
import { Counts } from './entry.js';

/** A pool, as the pools that share its limit see it. */
export interface LimitMember {
  /** Places taken: connections that are open, being opened or being closed. */
  readonly places: number;
  /** How long its longest idle connection has been idle, in milliseconds; `undefined` when none is. */
  readonly idleMs: number | undefined;
  /** The pool closes. Its connections count until they are gone. */
  readonly isClosing: boolean;
  /** Closes the connection that has been idle longest. */
  closeColdest(): void;
  /** Opens what its callers lack, or asks for the room. */
  run(): void;
  /** Whether each of its connections has been held for this long, with no query in flight. */
  isStalled(forMs: number): boolean;
}

/**
 * A place that changes pools costs a connect. So a connection that its own pool has just used, or has had for less than this, is closed only for a
 * pool with fewer connections. Else two pools that take turns would close each other's connections with each turn.
 */
const SLICE_MS = 250;

/** Runs when an object that was held weakly has been collected: an app may make a pool for each request, and never close one. */
export const whenCollected = new FinalizationRegistry<() => void>((run) => run());

/**
 * One limit for several pools. Each has connections of its own, which no other pool ever uses; together they open no more than one of them may.
 * A pool that lacks a place gets that of a connection that another one does not use, or of one that comes back to a pool with more.
 */
export class SharedLimit {
  /** The connections of all members. */
  readonly counts = new Counts();
  readonly #runtime: Runtime;
  readonly #members = new Set<WeakRef<LimitMember>>();
  /** Members whose callers wait for a place, and how many they lack, in the order in which they get it. */
  readonly #lacking = new Map<LimitMember, number>();
  /** Places that have come free, and whose next owner is about to be found. */
  #free = 0;
  /** The member whose turn it is to take the place that has come free. */
  #turn: LimitMember | undefined;
  #timer: Timer | undefined;

  constructor(runtime: Runtime = systemRuntime) {
    this.#runtime = runtime;
  }

  /** How many pools share this limit. */
  get owners(): number {
    return [...this.#live()].filter(({ isClosing }) => !isClosing).length;
  }

  /** @returns ends the membership */
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

  /** Requests places: the others close connections that they do not use, longest idle first. 0 ends the request. */
  request(member: LimitMember, places: number): void {
    if (places > 0) this.#lacking.set(member, places);
    else this.#lacking.delete(member);
    if (places > 0) this.#makeRoomFor(member);
  }

  /**
   * Whether a connection that has come back to a member is to be closed, so that another pool gets its place.
   *
   * @param isWanted a caller of its own pool waits for it
   * @param ageMs how long the pool has had it
   */
  claims(from: LimitMember, isWanted: boolean, ageMs: number): boolean {
    if (this.#lacking.size === 0 || this.#short <= 0 || (isWanted && ageMs < SLICE_MS)) return false;
    for (const member of this.#lacking.keys()) if (member.places < from.places) return true;
    return false;
  }

  /**
   * Whether a member may take a free place. Not while others lack one: the next is theirs.
   *
   * @param isNew the member has opened nothing yet: as long as another has an idle connection, it takes the place of that one
   */
  mayTake(member: LimitMember, isNew: boolean): boolean {
    if (this.#turn === member) return true;
    if (isNew && this.counts.idle > 0) return false;
    return this.#lacking.size === (this.#lacking.has(member) ? 1 : 0);
  }

  /** A place has come free: the first who can use it gets it. A moment later, so that no pool acts in the middle of another's work. */
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

  /** Whether no pool gives anything back as long as nobody gets anything: they wait for each other. */
  isStalled(forMs: number): boolean {
    for (const member of this.#live()) if (!member.isStalled(forMs)) return false;
    return true;
  }

  /** Places that are lacking, less those that come free without anyone's doing. */
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

  /** A member has an idle connection: a member that lacks a place gets it once it has been idle for long enough. */
  idled(): void {
    if (this.#lacking.size > 0) this.#lookAgain();
  }

  #lookAgain(): void {
    this.#timer ??= this.#runtime.after(SLICE_MS, () => {
      this.#timer = undefined;
      for (const member of [...this.#lacking.keys()]) member.run();
    });
  }

  /** The pool whose connection has been idle longest, of those that can do without one. */
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
  /** No connect has begun yet. */
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
   * Places that this pool may not take. The first connection of a pool takes the place of one that is idle in another pool, where there is one:
   * a module that is evaluated over and over, and never closes its pool, then holds one connection and not one for each evaluation.
   */
  taken(maxConnections: number): number {
    const mayTake = this.#limit === undefined || this.#limit.mayTake(this.#member!, this.#isNew);
    return mayTake ? this.elsewhere : maxConnections;
  }

  begin(member: LimitMember): void {
    this.#member = member;
  }

  /** Before a pool opens its first connection. */
  join(): void {
    if (this.#isNew && this.#limit === undefined) this.#renew();
  }

  /** A connect is about to begin: the settings that decide which limit is shared may have changed since the last one. */
  connecting(): void {
    this.#renew();
    this.#isNew = false;
  }

  /** Requests places that waiting callers lack and only other pools can make free. */
  request(places: number): void {
    if (this.#leave && !this.#isClosed) this.#limit?.request(this.#member!, this.#isNew ? Math.min(places, 1) : places);
  }

  /** A connection has become idle. */
  idled(): void {
    this.#limit?.idled();
  }

  /** Whether a connection that has come back is to be closed, so that another pool gets its place. */
  claims(isWanted: boolean, ageMs: number): boolean {
    return this.#limit?.claims(this.#member!, isWanted, ageMs) === true;
  }

  /** A connection is gone. */
  freed(): void {
    this.#limit?.freed();
    if (this.#isClosed) this.#endWhenEmpty();
  }

  /** Leaves the limit if all of its pools are stalled: they may wait for each other, as pools with limits of their own would not. @returns whether it left */
  leaveIfStalled(forMs: number): boolean {
    if (!this.#leave || this.#isClosed || this.elsewhere === 0 || !this.#limit!.isStalled(forMs)) return false;
    this.#isAlone = true;
    this.#renew();
    return true;
  }

  /** The pool closes: it requests no more places. It stays a member while it has connections: others wait for them, and are not stalled. */
  close(): void {
    this.#isClosed = true;
    this.#isAlone = true;
    if (this.#leave) this.#limit?.request(this.#member!, 0);
    this.#endWhenEmpty();
  }

  /** Else an app that makes and ends a pool for each request would leave a member for each behind, until they are collected. */
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
