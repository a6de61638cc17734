import type { MemberCount, ServerLimits } from '../fleet/shares.js';
import type { PoolEntry } from './entry.js';

export type { MemberCount, ServerLimits } from '../fleet/shares.js';

/**
 * The locks on the server that carry a budget: each slot is one of N advisory locks, and each session of the fleet holds one. Every method is one
 * round trip on a connection that nobody uses at that moment.
 *
 * All methods throw `SlotsDeniedError` when the server does not allow them. After any other error a lock may be left on the session: close it.
 */
export interface SlotLocks<C> {
  /** What the server allows, asked on a session that holds no lock yet; or why slots cannot be held there. */
  survey(connection: C, signal: AbortSignal): Promise<ServerLimits | { readonly obstacle: string }>;
  /** Takes free slots: they are the session's, or it reserves them for connections that are about to be opened. */
  take(connection: C, request: TakeRequest, signal: AbortSignal): Promise<readonly number[]>;
  /** Counts this session among those of its member, and sets the time limits after which its server ends a session that was left behind. */
  enter(connection: C, signal: AbortSignal): Promise<void>;
  /**
   * Takes over a slot that another session reserved, and enters.
   *
   * @returns `false` when a third session holds the slot: the reservation was lost on the way
   */
  inherit(connection: C, slot: number, from: C, signal: AbortSignal): Promise<boolean>;
  /** Gives back slots that this session reserved. */
  release(connection: C, slots: readonly number[], signal: AbortSignal): Promise<void>;
  /**
   * Takes the session's own slot again, after something may have released its locks.
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
  /** Whether something that the app sent may have released the session's locks since it was last asked. Costs no I/O. */
  mayHaveLost(connection: C): boolean;
}

export interface TakeRequest {
  /** Slots wanted. */
  readonly count: number;
  /** Slots of the fleet. */
  readonly limit: number;
  /** The slot to try first. */
  readonly start: number;
  /** Slots that this session holds or reserves: a session's own lock is no obstacle to it, so that it would take them once more. */
  readonly own: readonly number[];
}

/** The server does not allow the statements that hold slots, or does not know them. */
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
  /** Most connections of all processes together; `null` as long as `auto` has not asked the server. */
  readonly limit: number | null;
  /** Connections of this pool that hold a slot. */
  readonly slots: number;
  /** Connections of this pool without a slot: one, where there are more processes than slots. */
  readonly guests: number;
  /** Callers wait, and no slot was free. */
  readonly hungry: boolean;
  /** Pools in the fleet when they were last counted; `null` before: they are counted only when slots are short. */
  readonly members: number | null;
}

/** What may be done with a connection that is between two uses. */
export type Claim<C> = 'close' | ((connection: C, signal: AbortSignal) => Promise<void>);

/** A budget, as the parts of the pool see it. */
export interface Admission<C extends object> {
  /** The pool wants to open connections. @returns how many it may open now; for the others a slot is asked for */
  admit(wanted: number, now: number): number;
  /** Whether a connection may be opened only to ask the server something, although all others are in use. */
  admitToAsk(now: number): boolean;
  /** A connect begins, which was admitted. */
  begin(entry: PoolEntry<C>): void;
  /** A connection was opened: it takes its slot before it serves. @throws NoSlotError when there is none for it */
  setUp(entry: PoolEntry<C>, connection: C, signal: AbortSignal): Promise<void>;
  /** What is to be done on a connection before its next use: nothing, a question to the server, or the end. */
  claim(entry: PoolEntry<C>, now: number): Claim<C> | undefined;
  /** A connection is gone, or its connect has failed. */
  gone(entry: PoolEntry<C>): void;
  /** Callers and connections have been brought together. */
  ran(now: number): void;
  /** The pool closes. */
  stop(): void;
  /** `undefined` where the budget cannot hold and is off. */
  readonly stats: BudgetStats | undefined;
  /** For the error of a caller that waited in vain: whose limit it is. */
  readonly shortage: string | undefined;
}
