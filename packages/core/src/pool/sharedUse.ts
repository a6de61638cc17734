import { isExpired, retireReason } from '../lifecycle/retirement.js';
import { areAcquiresObserved } from './channels.js';
import type { Connections } from './connections.js';
import type { Context } from './context.js';
import type { PoolEntry } from './entry.js';
import type { Sharer, WaitQueue } from './waitQueue.js';

/**
 * How long a connection is shared without a return, in milliseconds. Some things happen at a return only: another pool gets its
 * place, a check, the end of its life.
 */
const LONGEST_MS = 100;

/** A connection that several callers use. */
interface Shared<C> {
  readonly entry: PoolEntry<C>;
  readonly since: number;
  users: number;
  /** Set when it is reserved for a caller that needs a connection of its own: it takes no more users, and is returned when it has none. */
  isReserved: boolean;
}

interface Parts<C extends object> {
  readonly connections: Connections<C>;
  readonly queue: WaitQueue<C>;
  /** Why a caller is refused at once. */
  readonly refuse: (now: number) => Error | undefined;
}

/**
 * Lends one connection to several callers in line, when the pool can open no other. Callers that need one of their own are not
 * overtaken: a connection is reserved for each of them.
 */
export class SharedUse<C extends object> {
  readonly #context: Context<C>;
  readonly #parts: Parts<C>;
  readonly #shared = new Map<C, Shared<C>>();
  #reserved = 0;

  constructor(context: Context<C>, parts: Parts<C>) {
    this.#context = context;
    this.#parts = parts;
  }

  /** Whether a caller would have to wait for a connection of its own. If not, it gains nothing by sharing, and should acquire one. */
  get isWanted(): boolean {
    const { queue, connections } = this.#parts;
    return queue.length > 0 || connections.idle.top === undefined;
  }

  /** Lends a connection to a caller that may share it. The caller is called back in any case, perhaps before this returns. */
  acquire(sharer: Sharer<C>): void {
    if (areAcquiresObserved()) this.#context.channels.traceAcquire(() => this.#asPromise(sharer)).catch(() => {});
    else this.#acquire(sharer);
  }

  #acquire(sharer: Sharer<C>): void {
    const { runtime, membership, loop } = this.#context;
    const { queue, refuse } = this.#parts;
    const now = runtime.now();
    const error = refuse(now);
    if (error) return sharer.refused(error);
    membership.join();
    queue.joinToShare(now, this.#context.stackAbove(this.acquire), sharer);
    loop.request(now);
  }

  #asPromise({ joins, lent, refused }: Sharer<C>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#acquire({
        joins,
        lent(connection) {
          resolve();
          lent(connection);
        },
        refused(error) {
          reject(error);
          refused(error);
        },
      });
    });
  }

  /** Called when the holder of an unshared connection begins to share it. */
  begin(connection: C): void {
    const entry = this.#parts.connections.find(connection);
    if (entry?.kind !== 'used') return;
    this.#shared.set(connection, { entry, since: entry.takenAt, users: 1, isReserved: false });
    // Callers in line may join now.
    if (this.#parts.queue.length > 0) this.#context.loop.request(this.#context.runtime.now());
  }

  /**
   * Called when some users of a connection have finished. Others in line may take their place.
   *
   * @returns whether no user is left: the holder must then release it
   */
  left(connection: C, users: number): boolean {
    const shared = this.#shared.get(connection);
    if (shared === undefined) return true;
    shared.users -= users;
    const { runtime } = this.#context;
    // It may be empty for a moment only: callers in line take the places of those who have left.
    while (this.#mayServe && this.#addUser(shared, runtime.now(), true));
    if (shared.users > 0) return false;
    this.end(connection);
    return true;
  }

  /** Ends the sharing of this connection. */
  end(connection: C): void {
    const shared = this.#shared.get(connection);
    if (shared === undefined) return;
    if (shared.isReserved) this.#reserved--;
    this.#shared.delete(connection);
  }

  /** Serves callers in line that may share, from the connections with the fewest users. */
  serve(now: number): void {
    if (this.#shared.size === 0 || !this.#mayServe) return;
    const byUsers = [...this.#shared.values()].sort((one, other) => one.users - other.users);
    while (byUsers.filter((shared) => this.#addUser(shared, now, false)).length > 0);
  }

  /** Whether connections may be shared: not while the pool may open another one. */
  get #mayServe(): boolean {
    const { queue, connections } = this.#parts;
    return queue.length > 0 && (connections.isFull || this.#context.server.failures !== undefined);
  }

  #addUser(shared: Shared<C>, now: number, reserves: boolean): boolean {
    const { queue } = this.#parts;
    const { entry } = shared;
    if (queue.length === 0 || shared.isReserved || this.#shared.get(entry.connection) !== shared) return false;
    if (now - shared.since >= LONGEST_MS || !this.#mayTakeMore(entry, now)) return false;
    const waiter = queue.takeSharer(entry.connection, this.#reserved, now);
    if (waiter === 'others' && reserves) {
      shared.isReserved = true;
      this.#reserved++;
    }
    if (waiter === undefined || waiter === 'others') return false;
    shared.users++;
    this.#lend(entry, now, Math.max(0, now - waiter.since));
    waiter.resolve(entry.connection);
    return true;
  }

  /** Whether a connection in use may serve more callers before its return. */
  #mayTakeMore(entry: PoolEntry<C>, now: number): boolean {
    const { generation, isClosing, isOverfull } = this.#parts.connections;
    const { policy, server, connector } = this.#context;
    return (
      entry.kind === 'used' &&
      !entry.lost &&
      !isClosing &&
      !isOverfull &&
      entry.epoch === server.epoch.number &&
      retireReason(entry, generation, policy) === undefined &&
      !isExpired(entry, now) &&
      connector.isOpen?.(entry.connection) !== false
    );
  }

  #lend(entry: PoolEntry<C>, now: number, waitedMs: number): void {
    const { counters, uses } = this.#context;
    // A connection that goes on serving is not held: it is no leak, and the others do not wait for one holder.
    entry.takenAt = now;
    entry.uses++;
    counters.acquired++;
    counters.reused++;
    if (uses.areObserved) uses.joined(waitedMs);
  }
}
