import { type MemberCount, shareToGive, shareToLend, shareToTake } from '../fleet/shares.js';
import type { Connections } from './connections.js';
import type { Context } from './context.js';
import type { PoolEntry } from './entry.js';
import type { Maintenance } from './maintenance.js';
import type { SlotLocks } from './slotLocks.js';
import type { Slots } from './slots.js';
import type { WaitQueue } from './waitQueue.js';

/** How long a census may serve as the base of a second one, and of the number of slots to take. */
const CENSUS_VALID_MS = 2_500;
/** How often a pool checks whether it has connections to lend, while a member of the fleet is hungry. */
const LEND_EVERY_MS = 100;
/** The peak use of a pool is measured over the last one or two spans of this length. */
const USE_SPAN_MS = 300;

interface Parts<C extends object> {
  readonly connections: Connections<C>;
  readonly queue: WaitQueue<C>;
  readonly maintenance: Maintenance<C>;
}

interface Fleet<C> {
  readonly locks: SlotLocks<C>;
  readonly member: number;
  /** Called when another number of connections was granted. */
  changed(): void;
}

/**
 * Whether slots of the budget are short, and how many connections this pool may have. While there is room, it is granted as many
 * connections as the budget has slots. While any member is hungry, it is granted those that it has, less what it lends and gives.
 */
export class Shortage<C extends object> {
  readonly #context: Context<C>;
  readonly #parts: Parts<C>;
  readonly #slots: Slots<C>;
  readonly #fleet: Fleet<C>;
  readonly #use = new PeakUse();
  #limit: number | undefined;
  #isOn = false;
  #granted = Number.POSITIVE_INFINITY;
  #census: { readonly at: number; readonly members: readonly MemberCount[]; readonly gives: number } | undefined;
  #members: number | undefined;

  constructor(context: Context<C>, parts: Parts<C>, slots: Slots<C>, fleet: Fleet<C>) {
    this.#context = context;
    this.#parts = parts;
    this.#slots = slots;
    this.#fleet = fleet;
  }

  /** The number of slots of the budget; `undefined` until the first query to the server. */
  get limit(): number | undefined {
    return this.#limit;
  }

  /** The number of members at the last census. */
  get members(): number | undefined {
    return this.#members;
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  /** Whether this pool holds less than an equal part, by the last census. */
  get isBelowShare(): boolean {
    return this.#census === undefined || this.#slots.held < Math.floor(this.#limit! / this.#census.members.length);
  }

  setLimit(limit: number): void {
    this.#limit = limit;
    if (!this.#isOn) this.#grant(limit);
  }

  /** Called when no slot was free. */
  begin(): void {
    if (this.#isOn) return;
    this.#isOn = true;
    this.#grant(this.#places);
  }

  /** Called when the pool has got these slots. */
  grantMore(slots: number): void {
    if (this.#isOn && slots > 0) this.#grant(this.#granted + slots);
  }

  /** Called when a connection is gone: its slot is free for all. */
  fit(): void {
    if (this.#isOn) this.#grant(this.#granted);
  }

  /** Queries whether any member is hungry, and what to give if so. */
  async look(connection: C, isHungry: boolean, signal: AbortSignal): Promise<void> {
    const { locks, member } = this.#fleet;
    if (!isHungry && !(await locks.isAnyoneHungry(connection, signal))) return this.#end();
    const members = await locks.census(connection, signal);
    this.#members = members.length;
    if (!isHungry && !members.some((one) => one.isHungry)) return this.#end();
    const now = this.#context.runtime.now();
    const gives = shareToGive(this.#limit!, members, member);
    // Only what two censuses agree on is given. Otherwise a slot that another member is about to take would be given a second time.
    const isLasting = this.#census !== undefined && this.#census.gives > 0 && now - this.#census.at <= CENSUS_VALID_MS;
    this.#census = { at: now, members, gives };
    this.#isOn = true;
    this.#grant(this.#places - (isLasting ? gives : 0));
  }

  /** How many slots the pool may request now. */
  share(now: number): number {
    if (!this.#isOn) return Number.POSITIVE_INFINITY;
    // The share follows from a census, which counts the pool only when it holds a slot.
    if (this.#census === undefined || now - this.#census.at > CENSUS_VALID_MS) return 1;
    const { members } = this.#census;
    const { member } = this.#fleet;
    const counted = members.find((one) => one.member === member)?.held ?? 0;
    const since = this.#slots.held + this.#slots.ready - counted;
    return Math.max(0, shareToTake(this.#limit!, members, member) - Math.max(0, since));
  }

  /** Takes up to this many slots. The first is the session's own if it has none; the others are reserved on it. @returns how many were free */
  async take(entry: PoolEntry<C>, connection: C, count: number, signal: AbortSignal): Promise<number> {
    const limit = this.#limit!;
    // Members that begin at different slots seldom try the same one.
    const start = Math.floor(this.#context.runtime.random() * limit);
    const own = this.#slots.ownOf(entry);
    const taken = await this.#fleet.locks.take(connection, { count, limit, start, own }, signal);
    this.#slots.took(entry, taken);
    return taken.length;
  }

  /** When it is next checked whether idle connections can be lent, if there are any; `Infinity` when none may be. */
  lendsAt(now: number, isHungry: boolean): number {
    return this.#isOn && !isHungry ? now + LEND_EVERY_MS : Number.POSITIVE_INFINITY;
  }

  /** Closes idle connections that the pool does not need, while others are hungry. */
  lend(now: number): void {
    if (!this.#isOn) return;
    const { connections, queue } = this.#parts;
    const peak = Math.max(this.#use.lately(now), connections.engaged + queue.length);
    const lent = shareToLend({ size: connections.size, idle: connections.idle.length, peak });
    if (lent > 0) this.#grant(connections.size - lent);
  }

  /** Called when a connection was returned. */
  noteUse(now: number): void {
    this.#use.note(this.#parts.connections.engaged, now);
  }

  #end(): void {
    this.#census = undefined;
    if (!this.#isOn) return;
    this.#isOn = false;
    this.#grant(this.#limit!);
  }

  /** Places that are taken, or may be: a slot is reserved, or the pool's first connection may come without. */
  get #places(): number {
    const { size, closing } = this.#parts.connections;
    const places = size + closing + this.#slots.ready + (this.#slots.isJoinDue ? 1 : 0);
    return Math.max(1, places);
  }

  #grant(connections: number): void {
    const granted = this.#isOn ? Math.min(connections, this.#places) : connections;
    if (granted === this.#granted) return;
    this.#granted = granted;
    this.#context.grant(granted);
    this.#fleet.changed();
    const { connections: own, maintenance } = this.#parts;
    // Reserved slots are given first.
    const unusable = this.#slots.ready - Math.max(0, granted - own.size - own.closing);
    if (this.#isOn && unusable > 0) this.#slots.handBackReady(unusable);
    // Idle connections close at once, those in use when they are returned.
    if (own.isOverfull && !own.isClosing) maintenance.run();
  }
}

/** The most connections that were in use at once, in the last one or two spans of `USE_SPAN_MS`. */
class PeakUse {
  #span = 0;
  #now = 0;
  #before = 0;

  note(used: number, now: number): void {
    this.#turn(now);
    if (used > this.#now) this.#now = used;
  }

  lately(now: number): number {
    this.#turn(now);
    return Math.max(this.#now, this.#before);
  }

  #turn(now: number): void {
    const span = Math.floor(now / USE_SPAN_MS);
    if (span === this.#span) return;
    this.#before = span === this.#span + 1 ? this.#now : 0;
    this.#now = 0;
    this.#span = span;
  }
}
