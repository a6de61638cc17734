import { LINGER_MS } from '../lifecycle/retirement.js';
import type { Connections } from './connections.js';
import type { Context } from './context.js';
import type { PoolEntry } from './entry.js';
import { whenCollected } from './sharedLimit.js';

/** An idle connection that its pool does not need. */
interface Spare {
  readonly idleMs: number;
  /** Closes it because of this error of the server; resolves when it is gone. */
  close(error: unknown): Promise<void>;
}

/** The part of a pool that other pools of this process use when their server is full. These members must not change: see `KEY`. */
interface Neighbour {
  /** Its idle connections, of those that would make room. */
  spares(makesRoom: (connection: object) => boolean): Spare[];
}

/** A registered symbol, so that the pools of the ESM and of the CommonJS copy of this module find each other. */
const KEY = Symbol.for('@tenure/core neighbours 2');

/** The pools of this process, held weakly, because an app may make one for each request and never close it. */
function neighbours(): Set<WeakRef<Neighbour>> {
  const realm = globalThis as { [KEY]?: Set<WeakRef<Neighbour>> };
  if (realm[KEY] === undefined) Object.defineProperty(realm, KEY, { value: new Set() });
  return realm[KEY]!;
}

/**
 * Makes room on a full server. The server may be full of connections that are idle in other pools of this process: one for each
 * tenant or database. A pool that lacks a connection makes the other pools close them, longest idle first.
 */
export class Crowding<C extends object> implements Neighbour {
  readonly #context: Context<C>;
  readonly #connections: Connections<C>;
  readonly #self = new WeakRef<Neighbour>(this);
  /** Connections of other pools that are being closed for this one. */
  #expected = 0;

  constructor(context: Context<C>, connections: Connections<C>) {
    this.#context = context;
    this.#connections = connections;
    neighbours().add(this.#self);
    const self = this.#self;
    whenCollected.register(this, () => void neighbours().delete(self), this);
  }

  /** Called when the pool closes. */
  leave(): void {
    neighbours().delete(this.#self);
    whenCollected.unregister(this);
  }

  /**
   * Makes the other pools close idle connections.
   *
   * @param error the server's error
   * @param lacking how many connections this pool's callers wait for
   */
  ask(error: unknown, lacking: number): void {
    const { connector } = this.#context;
    if (connector.makesRoom === undefined) return;
    const makesRoom = (connection: object) => connector.makesRoom!(error, connection);
    const hasNone = this.#connections.open === 0;
    const spares = this.#others().flatMap((pool) => pool.spares(makesRoom));
    for (const { idleMs, close } of spares.sort((one, other) => other.idleMs - one.idleMs)) {
      if (this.#expected >= lacking) return;
      // A connection used a moment ago will soon be used again. Only a pool without connections gets it, and no more than one.
      if (idleMs < LINGER_MS && (!hasNone || this.#expected > 0)) return;
      this.#expected++;
      void close(error).finally(() => this.#roomMade());
    }
  }

  spares(makesRoom: (connection: object) => boolean): Spare[] {
    const now = this.#context.runtime.now();
    const entries = this.#connections.idle.coldestFirst().filter(({ connection }) => makesRoom(connection));
    return entries.map((entry) => ({ idleMs: now - entry.idleSince, close: (error) => this.#close(entry, error) }));
  }

  #roomMade(): void {
    const { server, loop, runtime } = this.#context;
    this.#expected--;
    server.madeRoom();
    loop.request(runtime.now());
  }

  #close(entry: PoolEntry<C>, error: unknown): Promise<void> {
    const { events, limits, server, runtime } = this.#context;
    return new Promise((resolve) => {
      const onClosed = (connection: C) => {
        if (connection !== entry.connection) return;
        events.off('closed', onClosed);
        resolve();
      };
      events.on('closed', onClosed);
      this.#connections.close(entry, 'crowded');
      // Otherwise a pool below its minimum would take the slot back at once.
      if (this.#connections.open < limits.minConnections) server.foundFull(error, runtime.now(), runtime.random());
    });
  }

  #others(): Neighbour[] {
    const pools = Array.from(neighbours(), (pool) => pool.deref());
    return pools.filter((pool) => pool !== undefined && pool !== this) as Neighbour[];
  }
}
