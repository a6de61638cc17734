import { type Demand, missing, opensAllowedFrom, opensWanted } from '../lifecycle/sizing.js';
import { afterFailure, type Refusal, refusal, type Trouble } from '../lifecycle/trouble.js';
import type { ConnectFailure } from './connector.js';
import type { Context } from './context.js';
import { connectOne, dropOne, ReadOnlyServerError } from './operations.js';
import type { Renewal } from './renewal.js';
import type { Roster } from './roster.js';
import type { Slot } from './slot.js';

/** What the opener tells the pool. */
export interface OpenerListener<C> {
  opened(slot: Slot<C>, now: number): void;
  failed(now: number): void;
  /** A connection has ended without being asked to. */
  lost(slot: Slot<C>, cause: Error | undefined): void;
  /** The server of a connection takes no writes any more. */
  readOnly(slot: Slot<C>): void;
}

/** A caller who was refused less than this ago counts as one who waits. */
const WANTED_MS = 1_000;

class EndedUnusedError extends Error {
  override name = 'EndedUnusedError';

  constructor() {
    super('The server ended the connection before it was of use');
  }
}

/** Opens connections, as many at a time and as often as the rules allow, and remembers why it cannot. */
export class Opener<C extends object> {
  readonly #context: Context<C>;
  readonly #roster: Roster<C>;
  readonly #renewal: Renewal<C>;
  readonly #listener: OpenerListener<C>;
  readonly #cancelled = new AbortController();
  #trouble: Trouble | undefined;
  /** A connect has succeeded, and none has failed since. */
  #proven = false;
  /** When a connection last ended before it was of use. */
  #endedEarlyAt = Number.NEGATIVE_INFINITY;
  /** When a caller was last refused. */
  #refusedAt = Number.NEGATIVE_INFINITY;

  constructor(context: Context<C>, roster: Roster<C>, renewal: Renewal<C>, listener: OpenerListener<C>) {
    this.#context = context;
    this.#roster = roster;
    this.#renewal = renewal;
    this.#listener = listener;
  }

  /** Why the last connect failed, if it did. */
  get trouble(): Trouble | undefined {
    return this.#trouble;
  }

  /** A caller was told that waiting is in vain. Others will ask, so the server is probed as if they waited. */
  refused(now: number): void {
    this.#refusedAt = now;
  }

  /** Whether callers wait in vain, and why. */
  refusal(now: number): Refusal | undefined {
    return this.#trouble && refusal(this.#trouble, this.#roster.alive, this.#context.policy, now);
  }

  /**
   * Opens what is needed.
   *
   * @returns when to ask again, because a back-off holds it up; `Infinity` when there is no need to
   */
  grow(waiting: number, now: number): number {
    const { policy } = this.#context;
    const demand = this.#demand(waiting, now);
    for (let wanted = opensWanted(demand, policy, now); wanted > 0; wanted--) this.#open(now);
    const allowedFrom = opensAllowedFrom(demand);
    return allowedFrom > now && missing(demand, policy, now) > 0 ? allowedFrom : Number.POSITIVE_INFINITY;
  }

  /** A connection that ended before it was of use counts as a connect that failed. */
  endedUnused(slot: Slot<C>, cause: Error | undefined): void {
    this.#endedEarlyAt = this.#context.runtime.now();
    this.#remember(slot, cause ?? new EndedUnusedError());
  }

  /** Opens one connection to ask something on, also above the maximum; it then serves like any other, or goes. */
  openToAsk(now: number, opened: (slot: Slot<C>) => void): void {
    this.#open(now, opened);
  }

  /** A slot has come free on a server that was full: the next attempt need not wait. */
  roomMade(): void {
    if (this.#trouble?.kind === 'full') this.#trouble = undefined;
  }

  /** The server is full, as another pool has found out. */
  holdBack(error: unknown): void {
    const { runtime } = this.#context;
    const now = runtime.now();
    this.#trouble = afterFailure(this.#trouble, { kind: 'full', error, beganAt: now }, now, runtime.random());
  }

  /** Gives up every attempt that is under way. */
  cancel(reason: Error): void {
    this.#cancelled.abort(reason);
  }

  #demand(waiting: number, now: number): Demand {
    const { expected, opening, alive, closing } = this.#roster;
    const successor = this.#renewal.wantsSuccessor;
    const wanted = now - this.#refusedAt < WANTED_MS;
    return {
      waiting,
      wanted,
      expected,
      opening,
      alive,
      closing,
      successor,
      proven: this.#proven,
      trouble: this.#trouble,
    };
  }

  #open(now: number, opened = this.#listener.opened): void {
    const slot = this.#roster.reserve(now);
    this.#renewal.connectBegan(now);
    this.#context.announcer.tell('opening');
    const onLost = (cause?: Error) => this.#listener.lost(slot, cause);
    const onReadOnly = () => this.#listener.readOnly(slot);
    connectOne(this.#context, this.#cancelled.signal, onLost, onReadOnly).then(
      (connection) =>
        slot.lost ? this.#brokeOff(slot, connection, slot.lost.cause) : this.#opened(slot, connection, opened),
      (error) => this.#failed(slot, error),
    );
  }

  #opened(slot: Slot<C>, connection: C, opened: OpenerListener<C>['opened']): void {
    const { clock, runtime, counters, announcer } = this.#context;
    // By the clock that its age is read from: an exact one would be ahead of it.
    const now = clock.read();
    // A connect that was under way while another connection ended early proves nothing: it may be the next to end.
    if (slot.requestedAt > this.#endedEarlyAt) {
      this.#trouble = undefined;
      this.#proven = true;
    }
    this.#roster.fill(slot, connection, now);
    this.#renewal.connectEnded(true, now);
    counters.opened++;
    announcer.tell('opened', connection, runtime.now() - slot.requestedAt);
    opened(slot, now);
  }

  /** It ended while it was being opened, although the driver has handed it over. */
  #brokeOff(slot: Slot<C>, connection: C, cause: Error | undefined): void {
    dropOne(this.#context.connector, connection);
    this.#endedEarlyAt = this.#context.runtime.now();
    this.#failed(slot, cause ?? new EndedUnusedError());
  }

  #failed(slot: Slot<C>, error: unknown): void {
    this.#roster.forget(slot);
    const now = this.#context.runtime.now();
    this.#renewal.connectEnded(false, now);
    this.#remember(slot, error);
    this.#listener.failed(now);
  }

  #remember({ requestedAt: beganAt }: Slot<C>, error: unknown): void {
    if (this.#cancelled.signal.aborted) return;
    const { runtime, counters, announcer } = this.#context;
    const kind = this.#classify(error);
    this.#trouble = afterFailure(this.#trouble, { kind, error, beganAt }, runtime.now(), runtime.random());
    this.#proven = false;
    counters.openFailures++;
    announcer.tell('open-failed', error);
  }

  #classify(error: unknown): ConnectFailure {
    // The next connection may reach the new writer.
    if (error instanceof ReadOnlyServerError) return 'transient';
    return this.#context.connector.classifyConnectError?.(error) ?? 'transient';
  }
}
