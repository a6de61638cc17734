import {
  afterConnectBegan,
  afterConnectEnded,
  NO_ROTATION,
  nextRotation,
  type RotationState,
  rotate,
  steadyUseMs,
} from '../lifecycle/rotation.js';
import type { Connections } from './connections.js';
import type { Context } from './context.js';
import type { PoolEntry } from './entry.js';

/** Replaces expired connections, one at a time. Keeps the state of that; the rules are in `lifecycle/rotation.ts`. */
export class Successors<C extends object> {
  readonly #context: Context<C>;
  readonly #connections: Connections<C>;
  #state: RotationState = NO_ROTATION;

  constructor(context: Context<C>, connections: Connections<C>) {
    this.#context = context;
    this.#connections = connections;
  }

  /** A successor is to be opened. */
  get isWanted(): boolean {
    return this.#state.kind === 'wanted';
  }

  /** An expired connection takes its turn in the rotation. @returns whether it is to be closed now */
  takeTurn({ idleSince, restedMs }: PoolEntry<C>, now: number): boolean {
    const { policy, limits, alarm } = this.#context;
    const steadyMs = steadyUseMs(policy);
    const expired = {
      isInUse: restedMs < steadyMs && now < idleSince + steadyMs,
      isOfMinimum: this.#connections.open <= limits.minConnections,
      hasRoom: !this.#connections.isFull,
    };
    const { closes, next } = rotate(this.#state, expired, now);
    const wantsNow = next.kind === 'wanted' && this.#state.kind !== 'wanted';
    this.#state = next;
    // By the timer, never in the middle of the current step.
    if (wantsNow) alarm.setFor(now, now);
    if (!closes) alarm.setFor(nextRotation(next), now);
    return closes;
  }

  connectBegan(now: number): void {
    this.#state = afterConnectBegan(this.#state, now);
  }

  connectEnded(hasOpened: boolean, now: number): void {
    this.#state = afterConnectEnded(this.#state, hasOpened);
    if (this.#state.kind === 'arrived') this.#context.alarm.setFor(now, now);
  }
}
