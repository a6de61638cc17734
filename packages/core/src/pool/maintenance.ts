import { nextUpkeep, soonestUpkeepMs, upkeep } from '../lifecycle/retirement.js';
import type { Exchange } from './checkout.js';
import { Alarm } from './clock.js';
import type { Roster } from './connections.js';
import type { Context } from './context.js';
import type { Slot } from './entry.js';
import type { InFlightCheck } from './inFlightCheck.js';
import { leakMessage } from './messages.js';
import type { Renewal } from './opener.js';

/** Rounds that come this late were held up by a process that stood still: who knows what has happened meanwhile. */
const LATE_ROUNDS_MS = 1_000;

/** What time calls for: retires what is old or too much, keeps alive what is quiet, reports what is held too long. One timer a pool. */
export class Keeper<C extends object> {
  readonly #context: Context<C>;
  readonly #roster: Roster<C>;
  readonly #exchange: Exchange<C>;
  readonly #renewal: Renewal<C>;
  readonly #inFlight: InFlightCheck<C>;
  readonly #alarm: Alarm;
  #soonestUpkeepMs: number;
  /** How long after a checkout time may first call for something. */
  #soonestLookMs: number;

  constructor(
    context: Context<C>,
    roster: Roster<C>,
    exchange: Exchange<C>,
    { renewal, inFlight }: { readonly renewal: Renewal<C>; readonly inFlight: InFlightCheck<C> },
  ) {
    this.#context = context;
    this.#roster = roster;
    this.#exchange = exchange;
    this.#renewal = renewal;
    this.#inFlight = inFlight;
    this.#alarm = new Alarm(context.runtime, (dueAt) => this.#wakeUp(dueAt));
    this.#soonestUpkeepMs = soonestUpkeepMs(context.policy);
    this.#soonestLookMs = this.#firstLookMs;
  }

  /** Looks again at this moment at the latest. */
  comeBackAt(moment: number, now: number): void {
    this.#alarm.setFor(moment, now);
  }

  /** A connection was checked out. Costs a comparison, like `parked`. */
  taken({ takenAt }: Slot<C>): void {
    this.#alarm.setFor(takenAt + this.#soonestLookMs, takenAt);
  }

  /** A connection waits to be reused. Costs a comparison: the timer is set for no later than this already. */
  parked({ expiresAt, idleSince }: Slot<C>, now: number): void {
    this.#alarm.setFor(Math.min(expiresAt, idleSince + this.#soonestUpkeepMs), now);
  }

  policyChanged(): void {
    this.#soonestUpkeepMs = soonestUpkeepMs(this.#context.policy);
    this.#soonestLookMs = this.#firstLookMs;
    this.makeRounds();
  }

  get #firstLookMs(): number {
    return Math.min(this.#context.policy.leakAfterMs, this.#inFlight.firstLookMs);
  }

  #wakeUp(dueAt: number): void {
    const now = this.#context.clock.read();
    if (now - dueAt > LATE_ROUNDS_MS) this.#exchange.doubt('standstill', now);
    this.makeRounds();
  }

  makeRounds(): void {
    const now = this.#context.runtime.now();
    for (const slot of this.#roster.idle.coldestFirst()) this.#lookAfter(slot, now);
    this.#reportLeaks(now);
    this.#exchange.pump(now);
    this.lookInFlight(now);
    this.#alarm.setFor(this.#nextRounds(now), now);
  }

  /** Looks for queries whose answer will never come. */
  lookInFlight(now: number): void {
    this.#alarm.setFor(this.#inFlight.look(now), now);
  }

  stop(): void {
    this.#alarm.cancel();
  }

  #lookAfter(slot: Slot<C>, now: number): void {
    const action = upkeep(slot, this.#roster.facts, this.#context.policy, now);
    if (action === 'leave') return;
    if (action === 'check') this.#exchange.keepAlive(slot);
    else if (action !== 'succeed') this.#exchange.retire(slot, action.retire);
    else if (this.#renewal.lets(slot, now)) this.#exchange.retire(slot, 'max-age');
  }

  #nextRounds(now: number): number {
    const { policy } = this.#context;
    const { facts } = this.#roster;
    let next = Number.POSITIVE_INFINITY;
    for (const slot of this.#roster.slots) {
      if (slot.kind === 'idle') next = Math.min(next, nextUpkeep(slot, facts, policy, now));
      if (slot.kind === 'used' && !slot.leakReported) next = Math.min(next, slot.takenAt + policy.leakAfterMs);
    }
    return next;
  }

  #reportLeaks(now: number): void {
    const { leakAfterMs } = this.#context.policy;
    for (const slot of this.#roster.slots) {
      if (slot.kind !== 'used' || slot.leakReported || now < slot.takenAt + leakAfterMs) continue;
      slot.leakReported = true;
      const holder = this.#roster.holder(slot, now);
      const message = leakMessage(holder, leakAfterMs);
      this.#context.announcer.warn({ code: 'TENURE_LEAK', message, holders: [holder] });
    }
  }
}
