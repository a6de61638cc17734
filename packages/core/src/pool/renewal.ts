import {
  connectBegan,
  connectEnded,
  NO_SUCCESSION,
  nextSuccession,
  type Succession,
  steadyUseMs,
  succeed,
} from '../lifecycle/succession.js';
import type { Context } from './context.js';
import type { Roster } from './roster.js';
import type { Slot } from './slot.js';

/** Replaces connections that have come of age, one at a time. Holds how far that is; the rules are in `lifecycle/succession.ts`. */
export class Renewal<C extends object> {
  readonly #context: Context<C>;
  readonly #roster: Roster<C>;
  readonly #comeBackAt: (moment: number, now: number) => void;
  #succession: Succession = NO_SUCCESSION;

  /** @param comeBackAt asks for a look at everything at this moment: never in the middle of the engine's work */
  constructor(context: Context<C>, roster: Roster<C>, comeBackAt: (moment: number, now: number) => void) {
    this.#context = context;
    this.#roster = roster;
    this.#comeBackAt = comeBackAt;
  }

  /** A successor is to be opened. */
  get wantsSuccessor(): boolean {
    return this.#succession.kind === 'wanted';
  }

  /** Whether this connection, which has come of age, goes now. */
  lets({ idleSince, restedMs }: Slot<C>, now: number): boolean {
    const { policy } = this.#context;
    const steadyMs = steadyUseMs(policy);
    const predecessor = {
      isInUse: restedMs < steadyMs && now < idleSince + steadyMs,
      isOfMinimum: this.#roster.alive <= policy.minConnections,
      hasRoom: !this.#roster.isFull,
    };
    const { goes, next } = succeed(this.#succession, predecessor, now);
    const isNews = next.kind !== this.#succession.kind;
    this.#succession = next;
    if (isNews && next.kind === 'wanted') this.#comeBackAt(now, now);
    if (!goes) this.#comeBackAt(nextSuccession(next), now);
    return goes;
  }

  connectBegan(now: number): void {
    this.#succession = connectBegan(this.#succession, now);
  }

  connectEnded(hasOpened: boolean, now: number): void {
    this.#succession = connectEnded(this.#succession, hasOpened);
    if (this.#succession.kind === 'arrived') this.#comeBackAt(now, now);
  }
}
