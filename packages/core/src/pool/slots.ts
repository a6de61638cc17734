import type { PoolEntry } from './entry.js';

/** A slot that a session holds for a connection that is about to be opened. */
interface Reservation<C> {
  readonly slot: number;
  readonly by: PoolEntry<C>;
}

/** The slots of one session. */
interface Holding {
  /** The session's own slot; `undefined` for a guest. */
  slot: number | undefined;
  /** Slots that other connections have taken over, or do not need. This session still has their locks, and must release them. */
  handedOver: number[];
  /** When this session must next run a statement. */
  dutyAt: number;
  /** Whether its locks may have been released. */
  isSuspected: boolean;
  /** Whether its slot was lost to another session. */
  isForfeit: boolean;
}

/** How long a slot that was handed over may stay locked twice. Its release waits for another statement on that session. */
const HANDED_OVER_MS = 1_000;

const NEVER = Number.POSITIVE_INFINITY;

/** The slots of one pool: which connection has which, and which are reserved for connections that are about to be opened. It makes no decisions. */
export class Slots<C> {
  readonly #holdings = new Map<PoolEntry<C>, Holding>();
  /** Connects that have begun, with their reservation; one without joins. */
  readonly #connects = new Map<PoolEntry<C>, Reservation<C> | 'joins'>();
  #ready: Reservation<C>[] = [];
  /** Connections that hold a slot. */
  held = 0;
  /** Connections without a slot. */
  guests = 0;
  /** Whether all connections are in use for so long that one may be opened without a slot, for the statements of the budget. */
  isJoinDue = false;

  /** Whether no session of this pool is in the fleet. */
  get isEmpty(): boolean {
    return this.#holdings.size === 0;
  }

  /** Slots reserved for connects that have not begun. */
  get ready(): number {
    return this.#ready.length;
  }

  /** Whether a connection without a slot is being opened. */
  get isJoining(): boolean {
    for (const connect of this.#connects.values()) if (connect === 'joins') return true;
    return false;
  }

  /** Gives a connect that begins its reservation, if there is one. */
  begin(entry: PoolEntry<C>): void {
    this.#connects.set(entry, this.#ready.shift() ?? 'joins');
    this.isJoinDue = false;
  }

  reservationOf(entry: PoolEntry<C>): Reservation<C> | undefined {
    const connect = this.#connects.get(entry);
    return connect === 'joins' ? undefined : connect;
  }

  /** Called when a new connection has the slot that was reserved for it. */
  inherited(entry: PoolEntry<C>, now: number): void {
    const { slot, by } = this.reservationOf(entry)!;
    this.#connects.delete(entry);
    this.#hold(entry, slot);
    this.#toRelease(by, slot, now + HANDED_OVER_MS);
  }

  /** Called when the slot that was reserved for a connect is not used. */
  handBack(entry: PoolEntry<C>): void {
    const reserved = this.reservationOf(entry);
    if (!reserved) return;
    this.#connects.set(entry, 'joins');
    this.#toRelease(reserved.by, reserved.slot, 0);
  }

  /** Gives back reserved slots that are not needed any more, or may not be used. */
  handBackReady(count = this.ready): void {
    for (const { by, slot } of this.#ready.splice(0, count)) this.#toRelease(by, slot, 0);
  }

  /** Called when a session has taken slots: its own if it had none, and others to reserve. */
  took(entry: PoolEntry<C>, slots: readonly number[]): void {
    const [first, ...others] = slots;
    if (first === undefined) return;
    const isOwn = this.#holdings.get(entry)?.slot === undefined;
    this.#connects.delete(entry);
    if (isOwn) this.#hold(entry, first);
    for (const slot of isOwn ? others : slots) this.#ready.push({ slot, by: entry });
  }

  /** Every slot that this session has a lock on. */
  ownOf(entry: PoolEntry<C>): number[] {
    const { slot, handedOver = [] } = this.#holdings.get(entry) ?? {};
    const reserved = [...this.#ready, ...this.#connects.values()].filter((one) => one !== 'joins' && one.by === entry);
    return [
      ...(slot === undefined ? [] : [slot]),
      ...handedOver,
      ...reserved.map((one) => (one as Reservation<C>).slot),
    ];
  }

  /** Called when a connection has no slot; it tries to get one at `retryAt`. */
  becomeGuest(entry: PoolEntry<C>, retryAt: number): void {
    this.#connects.delete(entry);
    if (!this.#holdings.has(entry)) {
      this.guests++;
      this.#holdings.set(entry, newHolding(undefined));
    }
    this.#holdings.get(entry)!.dutyAt = retryAt;
  }

  has(entry: PoolEntry<C>): boolean {
    return this.#holdings.has(entry);
  }

  isGuest(entry: PoolEntry<C>): boolean {
    return this.has(entry) && this.slotOf(entry) === undefined;
  }

  slotOf(entry: PoolEntry<C>): number | undefined {
    return this.#holdings.get(entry)?.slot;
  }

  /** When this session must next run a statement; `Infinity` if there is none to run. */
  dutyAt(entry: PoolEntry<C>): number {
    return this.#holdings.get(entry)?.dutyAt ?? NEVER;
  }

  /** When any session must next run a statement. */
  nextDuty(): number {
    let next = NEVER;
    for (const { dutyAt } of this.#holdings.values()) next = Math.min(next, dutyAt);
    return next;
  }

  /** The slots to release on this session, which then count as released. */
  takeHandedOver(entry: PoolEntry<C>): number[] {
    const holding = this.#holdings.get(entry)!;
    if (holding.slot !== undefined && !holding.isSuspected) holding.dutyAt = NEVER;
    return holding.handedOver.splice(0);
  }

  /** Called when the locks of this session may have been released. */
  suspect(entry: PoolEntry<C>): void {
    const holding = this.#holdings.get(entry);
    if (holding === undefined) return;
    holding.isSuspected = true;
    holding.dutyAt = 0;
  }

  /** Called after an audit of all sessions: those without a lock on their slot are suspected. */
  audited(hasSlot: (entry: PoolEntry<C>) => boolean): void {
    for (const [entry, { slot }] of this.#holdings) if (slot !== undefined && !hasSlot(entry)) this.suspect(entry);
  }

  isSuspected(entry: PoolEntry<C>): boolean {
    return this.#holdings.get(entry)?.isSuspected === true;
  }

  /** Drops the reservations of a session whose locks may have been released. */
  lostReservations(entry: PoolEntry<C>): void {
    this.#ready = this.#ready.filter(({ by }) => by !== entry);
  }

  judged(entry: PoolEntry<C>, isKept: boolean): void {
    const holding = this.#holdings.get(entry)!;
    holding.isSuspected = false;
    holding.dutyAt = NEVER;
    if (!isKept) holding.isForfeit = true;
  }

  isForfeit(entry: PoolEntry<C>): boolean {
    return this.#holdings.get(entry)?.isForfeit === true;
  }

  /** Called when a connection is gone, and its locks with it, or when a connect has failed. */
  gone(entry: PoolEntry<C>): void {
    this.handBack(entry);
    this.#connects.delete(entry);
    const holding = this.#holdings.get(entry);
    if (holding === undefined) return;
    this.#holdings.delete(entry);
    this.lostReservations(entry);
    if (holding.slot === undefined) this.guests--;
    else this.held--;
    // The session that reserved its slot may still have its lock, so that no other session could take it.
    for (const other of this.#holdings.values()) if (other.handedOver.includes(holding.slot!)) other.dutyAt = 0;
  }

  #hold(entry: PoolEntry<C>, slot: number): void {
    if (this.#holdings.has(entry)) this.guests--;
    this.held++;
    this.#holdings.set(entry, newHolding(slot));
  }

  #toRelease(by: PoolEntry<C>, slot: number, dueAt: number): void {
    const holding = this.#holdings.get(by);
    if (holding === undefined) return;
    holding.handedOver.push(slot);
    holding.dutyAt = Math.min(holding.dutyAt, dueAt);
  }
}

function newHolding(slot: number | undefined): Holding {
  return { slot, handedOver: [], dutyAt: NEVER, isSuspected: false, isForfeit: false };
}
