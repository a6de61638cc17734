import { LINGER_MS } from '../lifecycle/retirement.js';
import type { Exchange } from './checkout.js';
import type { Roster } from './connections.js';
import type { Context } from './context.js';
import type { Slot } from './entry.js';

/** An idle connection that a pool can do without. */
interface Spare {
  readonly idleMs: number;
  /** Closes it, because the server has said this; resolves when it is gone. */
  giveUp(error: unknown): Promise<void>;
}

/** A pool of this process, as another one sees it whose server has no slot left. What is in here is not to change: see `KEY`. */
interface Neighbour {
  /** Its idle connections whose end would make room. */
  spares(makesRoom: (connection: object) => boolean): Spare[];
}

/** Registered, so that the pools of the ESM and of the CommonJS copy of this module find each other. */
const KEY = Symbol.for('@tenure/core neighbours 1');

/** The pools of this process, held weakly: one may be made for each request, and never closed. */
function neighbours(): Set<WeakRef<Neighbour>> {
  const realm = globalThis as { [KEY]?: Set<WeakRef<Neighbour>> };
  if (realm[KEY] === undefined) Object.defineProperty(realm, KEY, { value: new Set() });
  return realm[KEY]!;
}

const forgotten = new FinalizationRegistry<WeakRef<Neighbour>>((pool) => neighbours().delete(pool));

/** What crowding asks of the pool around it. */
export interface CrowdingHost {
  /** A slot of the server has come free. */
  roomMade(): void;
  /** The server is full: what the pool keeps for its minimum must not take back what it has just given up. */
  holdBack(error: unknown): void;
}

/**
 * A server without a free slot may be full of connections that lie idle in other pools of this process: one for each tenant or database. The pool
 * that lacks one asks the others to close them, longest idle first.
 */
export class Crowding<C extends object> implements Neighbour {
  readonly #context: Context<C>;
  readonly #roster: Roster<C>;
  readonly #exchange: Exchange<C>;
  readonly #host: CrowdingHost;
  readonly #self = new WeakRef<Neighbour>(this);
  /** Connections of other pools that are being closed for this one. */
  #expected = 0;

  constructor(context: Context<C>, roster: Roster<C>, exchange: Exchange<C>, host: CrowdingHost) {
    this.#context = context;
    this.#roster = roster;
    this.#exchange = exchange;
    this.#host = host;
    neighbours().add(this.#self);
    forgotten.register(this, this.#self, this);
  }

  /** The pool closes. */
  leave(): void {
    neighbours().delete(this.#self);
    forgotten.unregister(this);
  }

  /**
   * Asks the other pools for room.
   *
   * @param error what the server said
   * @param lacking how many connections this pool's callers wait for
   */
  ask(error: unknown, lacking: number): void {
    const { connector } = this.#context;
    if (connector.makesRoom === undefined) return;
    const makesRoom = (connection: object) => connector.makesRoom!(error, connection);
    const isStarving = this.#roster.alive === 0;
    const spares = this.#others().flatMap((pool) => pool.spares(makesRoom));
    for (const { idleMs, giveUp } of spares.sort((one, other) => other.idleMs - one.idleMs)) {
      if (this.#expected >= lacking) return;
      // What was used a moment ago will be wanted back. Only a pool that has nothing gets it, and no more than one.
      if (idleMs < LINGER_MS && (!isStarving || this.#expected > 0)) return;
      this.#expected++;
      void giveUp(error).finally(() => {
        this.#expected--;
        this.#host.roomMade();
      });
    }
  }

  spares(makesRoom: (connection: object) => boolean): Spare[] {
    const now = this.#context.runtime.now();
    const slots = this.#roster.idle.coldestFirst().filter(({ connection }) => makesRoom(connection));
    return slots.map((slot) => ({ idleMs: now - slot.idleSince, giveUp: (error) => this.#giveUp(slot, error) }));
  }

  #giveUp(slot: Slot<C>, error: unknown): Promise<void> {
    const { announcer, policy } = this.#context;
    return new Promise((resolve) => {
      const onClosed = (connection: C) => {
        if (connection !== slot.connection) return;
        announcer.off('closed', onClosed);
        resolve();
      };
      announcer.on('closed', onClosed);
      this.#exchange.retire(slot, 'crowded');
      if (this.#roster.alive < policy.minConnections) this.#host.holdBack(error);
    });
  }

  #others(): Neighbour[] {
    const pools = Array.from(neighbours(), (pool) => pool.deref());
    return pools.filter((pool) => pool !== undefined && pool !== this) as Neighbour[];
  }
}
