import type { AcquireOptions } from '../../pool/callers.js';
import type { Connector } from '../../pool/connector.js';
import type { PoolEvents, PoolWarning } from '../../pool/events.js';
import type { Pool as Engine } from '../../pool/pool.js';
import { systemRuntime } from '../../pool/runtime.js';
import { TimeLimitError, withinLimit } from '../../pool/timeLimit.js';
import type { PgClient } from '../pgTypes.js';
import { removeLeftovers } from './leftovers.js';

/** Who hears of what happens in a pool. */
export interface Audience {
  /** Tells its listeners; `false` when it has none. */
  tell(event: string, args: readonly unknown[]): boolean;
  /** Looks whether it still holds something: a connection has gone to someone else. */
  look(): void;
}

/** One of those whose pool it is. Counted, not kept: a face that the app has forgotten can be collected. */
export interface Owner {
  readonly face: WeakRef<Audience>;
}

/** What a pool is made of. */
export interface PoolParts<C extends object> {
  readonly engine: Engine<C>;
  readonly connector: Connector<C>;
  /** Connections in a borrower's hands, or come back with something left on them that is being looked at. Kept by the faces. */
  readonly engaged?: Set<C>;
  /** Another owner joins. From now on the connections are to be made with the settings of this moment. */
  readonly freeze?: () => void;
}

const EVENTS = ['opening', 'opened', 'open-failed', 'closing', 'closed', 'rollback', 'warning'] as const;

/** Has had a connection that was opened, and that nobody has used. */
const NOBODY: Owner = { face: new WeakRef({ tell: () => false, look() {} }) };

/**
 * A pool that may have several owners. As long as it has one, that owner uses the engine as it is. Once a second one has joined, every
 * connection that goes to another owner than its last is made like new first: this class is then the way to the engine.
 */
export class CommonPool<C extends PgClient> {
  readonly engine: Engine<C>;
  readonly engaged: Set<C>;
  readonly #parts: PoolParts<C>;
  readonly #founder: Owner;
  readonly #owners: Set<Owner>;
  /** Who hears of the pool: its owners, and the last of them until the end. */
  readonly #audience: Set<Owner>;
  /** Who had a connection last. Not in here is what the founder has had while alone. */
  readonly #had = new WeakMap<C, Owner>();
  /** A second owner has joined, once. */
  isShared = false;
  /** Those who were in the founder's line when it ceased to be alone have been served: they are ahead of everybody else. */
  #lineIsOurs = false;

  constructor(parts: PoolParts<C>, founder: Owner) {
    this.#parts = parts;
    this.engine = parts.engine;
    this.engaged = parts.engaged ?? new Set();
    this.#founder = founder;
    this.#owners = new Set([founder]);
    this.#audience = new Set([founder]);
    for (const event of EVENTS) this.engine.on(event, (...args: unknown[]) => this.#tell(event, args));
  }

  get owners(): number {
    return this.#owners.size;
  }

  /** The one who made the pool, as long as it is alone. */
  get loneFounder(): Owner | undefined {
    return this.isShared ? undefined : this.#founder;
  }

  /** Has `owner` take part, unless the pool is closing. */
  join(owner: Owner): boolean {
    if (this.#owners.size === 0) return false;
    if (!this.isShared) {
      this.isShared = true;
      this.#parts.freeze?.();
    }
    this.#owners.add(owner);
    this.#audience.add(owner);
    return true;
  }

  /** Whether that was the last one. */
  leave(owner: Owner): boolean {
    const isLast = this.#owners.delete(owner) && this.#owners.size === 0;
    if (!isLast) this.#audience.delete(owner);
    return isLast;
  }

  hadLast(connection: C): Owner {
    return this.#had.get(connection) ?? this.#founder;
  }

  /** Connections that are in this owner's hands. */
  heldBy(owner: Owner): C[] {
    return this.engine.held().filter((connection) => this.hadLast(connection) === owner);
  }

  /** As the engine's, once the pool is shared. */
  async acquireFor(owner: Owner, options: AcquireOptions): Promise<C> {
    const { engine } = this;
    const deadline = systemRuntime.now() + (options.timeoutMs ?? engine.policy.acquireTimeoutMs);
    let connection = await engine.acquire(options);
    for (;;) {
      this.#lineIsOurs = true;
      if (await this.#handOver(connection, owner, deadline)) return connection;
      connection = await engine.acquire({ ...options, timeoutMs: Math.max(0, deadline - systemRuntime.now()) });
    }
  }

  /** Makes a connection this owner's; `false` when it could not be made like new, and is gone. */
  async #handOver(connection: C, owner: Owner, deadline: number): Promise<boolean> {
    const last = this.hadLast(connection);
    this.#had.set(connection, owner);
    if (last === owner || last === NOBODY) return true;
    last.face.deref()?.look();
    try {
      await this.#makeLikeNew(connection, deadline);
      return true;
    } catch (error) {
      const isRefusal = this.#parts.connector.isOpen?.(connection) !== false && isAppsOwn(error);
      this.engine.discard(connection);
      // The set-up would refuse the next connection too.
      if (isRefusal) throw error;
      return false;
    }
  }

  /** A session that answers the first query no sooner than a check may take is dead. The app's set-up may take its time, and the caller's. */
  async #makeLikeNew(connection: C, deadline: number): Promise<void> {
    const { connectTimeoutMs, healthTimeoutMs } = this.engine.policy;
    const what = 'Preparing a connection for another owner';
    await withinLimit(systemRuntime, { what, ms: healthTimeoutMs }, (signal) => removeLeftovers(connection, signal));
    const ms = Math.min(connectTimeoutMs, Math.max(healthTimeoutMs, deadline - systemRuntime.now()));
    await withinLimit(systemRuntime, { what, ms }, async (signal) => {
      await this.#parts.connector.reset?.(connection, 'session', signal);
    });
  }

  #tell(event: keyof PoolEvents<C>, args: unknown[]): void {
    if (event === 'opened' && this.#lineIsOurs) this.#had.set(args[0] as C, NOBODY);
    const heard = Array.from(this.#audience, ({ face }) => face.deref()?.tell(event, args));
    if (event === 'warning' && !heard.includes(true)) emitWarning(args[0] as PoolWarning);
  }
}

export function emitWarning({ code, message }: PoolWarning): void {
  process.emitWarning(message, { type: 'TenureWarning', code });
}

/** An error with a code is the server's or the system's. */
function isAppsOwn(error: unknown): boolean {
  return !(error instanceof TimeLimitError) && !(typeof error === 'object' && error !== null && 'code' in error);
}
