import type { MemberCount, ServerLimits } from '../fleet/shares.js';
import type { PoolEntry } from './entry.js';

export type { MemberCount, ServerLimits } from '../fleet/shares.js';

/**
 * The locks on the server that carry a budget. Each slot is one of N advisory locks, and each session of the fleet holds one.
 * Every method is one round trip on a connection without another user at that moment.
 *
 * All methods throw `SlotsDeniedError` when the server does not allow them. After any other error a lock may be left on the
 * session: close it.
 */
export interface SlotLocks<C> {
  /** Queries the server's limits, on a session that holds no lock yet; or returns why slots cannot be held there. */
  survey(connection: C, signal: AbortSignal): Promise<ServerLimits | { readonly obstacle: string }>;
  /** Takes free slots, for the session itself, or to reserve them for connections that are about to be opened. */
  take(connection: C, request: TakeRequest, signal: AbortSignal): Promise<readonly number[]>;
  /** Counts this session among those of its member, and sets the time limits after which the server ends the session of a vanished process. */
  enter(connection: C, signal: AbortSignal): Promise<void>;
  /**
   * Takes over a slot that another session reserved, and enters.
   *
   * @returns `false` when a third session holds the slot, because the reservation was lost
   */
  inherit(connection: C, slot: number, from: C, signal: AbortSignal): Promise<boolean>;
  /** Gives back slots that this session reserved. */
  release(connection: C, slots: readonly number[], signal: AbortSignal): Promise<void>;
  /**
   * Takes the session's own slot again, after its locks may have been released.
   *
   * @returns `false` when another session holds it
   */
  keep(connection: C, slot: number, signal: AbortSignal): Promise<boolean>;
  showHunger(connection: C, signal: AbortSignal): Promise<void>;
  hideHunger(connection: C, signal: AbortSignal): Promise<void>;
  isAnyoneHungry(connection: C, signal: AbortSignal): Promise<boolean>;
  /** Counts the fleet. */
  census(connection: C, signal: AbortSignal): Promise<readonly MemberCount[]>;
  /** The process IDs of all sessions that hold a slot. */
  audit(connection: C, signal: AbortSignal): Promise<ReadonlySet<number>>;
  /** Whether a query of the app may have released the session's locks since the last call. Costs no I/O. */
  mayHaveLost(connection: C): boolean;
}

export interface TakeRequest {
  /** The number of slots to take. */
  readonly count: number;
  /** The number of slots of the fleet. */
  readonly limit: number;
  /** The slot to try first. */
  readonly start: number;
  /** Slots that this session holds or reserves. The server would grant it a lock that it has once more, so they must be left out. */
  readonly own: readonly number[];
}

/** The server does not allow the statements that hold slots, or does not have them. */
export class SlotsDeniedError extends Error {
  override name = 'SlotsDeniedError';
}

/** A connection was opened, and no slot was free for it. */
export class NoSlotError extends Error {
  override name = 'NoSlotError';

  constructor() {
    super('Every slot of the budget is taken');
  }
}

/** A pool's part in its fleet, as `stats()` shows it. */
export interface BudgetStats {
  /** The most connections of all processes together; `null` until `auto` has queried the server. */
  readonly limit: number | null;
  /** Connections of this pool that hold a slot. */
  readonly slots: number;
  /** Connections of this pool without a slot: one, if there are more processes than slots. */
  readonly guests: number;
  /** Whether callers wait and no slot was free. */
  readonly hungry: boolean;
  /** Pools in the fleet at the last census; `null` before. The fleet is counted only when slots are short. */
  readonly members: number | null;
}

/** What a budget may do with a connection between two uses: close it, or run statements on it. */
export type Claim<C> = 'close' | ((connection: C, signal: AbortSignal) => Promise<void>);

/** The part of a budget that the pool uses. */
export interface Admission<C extends object> {
  /** Called with the number of connections that the pool needs. @returns how many it may open now; a slot is requested for each of the others */
  admit(wanted: number, now: number): number;
  /** Whether a connection may be opened for statements of the pool's own, although all others are in use. */
  admitToAsk(now: number): boolean;
  /** Called when an admitted connect begins. */
  begin(entry: PoolEntry<C>): void;
  /** Called when a connection was opened, which takes its slot before it serves. @throws NoSlotError when there is none for it */
  setUp(entry: PoolEntry<C>, connection: C, signal: AbortSignal): Promise<void>;
  /** What must be done on a connection before its next use: nothing, a query to the server, or the close. */
  claim(entry: PoolEntry<C>, now: number): Claim<C> | undefined;
  /** Called when a connection is gone, or its connect has failed. */
  gone(entry: PoolEntry<C>): void;
  /** Called after callers and connections have been brought together. */
  ran(now: number): void;
  /** Called when the pool closes. */
  stop(): void;
  /** `undefined` when the budget cannot hold and is off. */
  readonly stats: BudgetStats | undefined;
  /** The limit that a caller waited for in vain, for its error. */
  readonly shortage: string | undefined;
}
