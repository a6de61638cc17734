import { afterFailure, type Refusal, refusal, type Trouble } from '../lifecycle/backoff.js';
import {
  afterSetback,
  afterSuccess,
  atOnceNow,
  type Demand,
  lateAfterMs,
  missing,
  NO_GROWTH,
  opensAllowedFrom,
  opensWanted,
} from '../lifecycle/growth.js';
import { afterAnswer, connectAsked, isOvertaken, type Question } from '../lifecycle/liveness.js';
import {
  connectBegan,
  connectEnded,
  NO_SUCCESSION,
  nextSuccession,
  type Succession,
  steadyUseMs,
  succeed,
} from '../lifecycle/rotation.js';
import { afterTwoTurns, type Timer } from './clock.js';
import type { Roster } from './connections.js';
import type { ConnectFailure } from './connector.js';
import type { Context } from './context.js';
import type { Slot } from './entry.js';
import { neverConnected } from './messages.js';
import { connectOne, dropOne, ReadOnlyServerError } from './operations.js';

/** What the opener tells the pool. */
export interface OpenerListener<C> {
  opened(slot: Slot<C>, now: number): void;
  failed(now: number): void;
  /** A connect is late: nobody counts on it any more. */
  late(now: number): void;
  /** A connection has ended without being asked to. */
  lost(slot: Slot<C>, cause: Error | undefined): void;
  /** The server of a connection takes no writes any more. */
  readOnly(slot: Slot<C>): void;
}

/** A caller who was refused less than this ago counts as one who waits. */
const WANTED_MS = 1_000;

/** How long a pool that has never connected is silent about what it meets. */
const WARN_AFTER_MS = 1_000;

/** A connect under way. */
interface Attempt {
  /** Gives it up. */
  readonly abort: AbortController;
  /** What other connects say about it. */
  question: Question;
  isLate: boolean;
}

class OvertakenError extends Error {
  override name = 'OvertakenError';

  constructor() {
    super('The connect was given up: the server has not answered it, but one that began later');
  }
}

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
  readonly #attempts = new Map<Slot<C>, Attempt>();
  #trouble: Trouble | undefined;
  #growth = NO_GROWTH;
  #isCancelled = false;
  /** When the first connect of this pool began; `undefined` once it has been warned that none succeeds. */
  #beganAt: number | undefined = Number.POSITIVE_INFINITY;
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

  /** Whether a caller who would wait this long waits in vain, and why. */
  refusal(waitMs: number, now: number): Refusal | undefined {
    return this.#trouble && refusal(this.#trouble, this.#roster.alive, waitMs, this.#context.policy, now);
  }

  /**
   * Opens what is needed.
   *
   * @returns when to ask again, because a back-off holds it up; `Infinity` when there is no need to
   */
  grow(waiting: number, now: number): number {
    const { policy } = this.#context;
    this.#giveUpOvertaken(now);
    const demand = this.#demand(waiting, now);
    for (let wanted = opensWanted(demand, policy, now); wanted > 0; wanted--) this.#open(now);
    const allowedFrom = opensAllowedFrom(demand);
    return allowedFrom > now && missing(demand, policy) > 0 ? allowedFrom : Number.POSITIVE_INFINITY;
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
    this.#isCancelled = true;
    for (const { abort } of this.#attempts.values()) abort.abort(reason);
  }

  #demand(waiting: number, now: number): Demand {
    const { expected, opening, alive, closing, epoch } = this.#roster;
    const late = [...this.#attempts.values()].filter(({ isLate }) => isLate).length;
    return {
      waiting,
      refusing: this.#trouble?.kind === 'transient' && this.#refusedAt >= this.#trouble.since,
      wanted: now - this.#refusedAt < WANTED_MS,
      expected,
      opening: opening - late,
      late,
      alive,
      closing,
      elsewhere: this.#context.membership.taken(this.#context.policy.maxConnections),
      successor: this.#renewal.wantsSuccessor,
      atOnce: atOnceNow(this.#growth, epoch, now),
      trouble: this.#trouble,
    };
  }

  #open(now: number, opened = this.#listener.opened): void {
    this.#context.membership.connecting();
    const slot = this.#roster.reserve(now);
    const attempt: Attempt = { abort: new AbortController(), question: connectAsked(now), isLate: false };
    this.#attempts.set(slot, attempt);
    if (this.#beganAt !== undefined) this.#beganAt = Math.min(this.#beganAt, now);
    this.#renewal.connectBegan(now);
    this.#context.announcer.tell('opening');
    const onLost = (cause?: Error) => this.#listener.lost(slot, cause);
    const onReadOnly = () => this.#listener.readOnly(slot);
    const lateness = this.#whenLate(slot, attempt);
    const end = () => {
      lateness.cancel();
      this.#attempts.delete(slot);
    };
    connectOne(this.#context, attempt.abort.signal, onLost, onReadOnly).then(
      (connection) => {
        end();
        if (slot.lost) this.#brokeOff(slot, connection, slot.lost.cause);
        else this.#opened(slot, connection, opened);
      },
      (error) => {
        end();
        this.#failed(slot, error);
      },
    );
  }

  #whenLate(slot: Slot<C>, attempt: Attempt): Timer {
    const { runtime } = this.#context;
    const notice = () => {
      if (this.#attempts.get(slot) !== attempt) return;
      attempt.isLate = true;
      const now = runtime.now();
      this.#warnIfNeverConnected(now);
      this.#listener.late(now);
    };
    // On a blocked event loop the answer has often arrived, and waits to be read.
    return runtime.after(lateAfterMs(this.#growth), () => afterTwoTurns(runtime, notice));
  }

  /** A connect that is late makes room when the server has answered one that began later. */
  #giveUpOvertaken(now: number): void {
    for (const { abort, question, isLate } of this.#attempts.values()) {
      if (isLate && isOvertaken(question, now)) abort.abort(new OvertakenError());
    }
  }

  #opened(slot: Slot<C>, connection: C, opened: OpenerListener<C>['opened']): void {
    const { clock, runtime, counters, announcer } = this.#context;
    // By the clock that its age is read from: an exact one would be ahead of it.
    const now = clock.read();
    const tookMs = runtime.now() - slot.requestedAt;
    // A connect that was under way while another connection ended early proves nothing: it may be the next to end.
    if (slot.requestedAt > this.#endedEarlyAt) {
      this.#trouble = undefined;
      this.#growth = afterSuccess(this.#growth, tookMs, this.#roster.epoch, runtime.now());
    }
    this.#beganAt = undefined;
    this.#answered(slot.requestedAt, tookMs);
    this.#roster.fill(slot, connection, now);
    this.#renewal.connectEnded(true, now);
    counters.opened++;
    announcer.tell('opened', connection, tookMs);
    opened(slot, now);
  }

  /** The server has answered a connect that began at `askedAt`: that tells of the others, and of connections that are silent. */
  #answered(askedAt: number, tookMs: number): void {
    for (const attempt of this.#attempts.values()) attempt.question = afterAnswer(attempt.question, askedAt, tookMs);
    this.#context.questions.connected(askedAt);
  }

  /** It ended while it was being opened, although the driver has handed it over. */
  #brokeOff(slot: Slot<C>, connection: C, cause: Error | undefined): void {
    dropOne(this.#context.connector, connection);
    this.#endedEarlyAt = this.#context.runtime.now();
    this.#failed(slot, cause ?? new EndedUnusedError());
  }

  #failed(slot: Slot<C>, error: unknown): void {
    this.#roster.forget(slot);
    this.#context.membership.freed();
    const now = this.#context.runtime.now();
    this.#renewal.connectEnded(false, now);
    this.#remember(slot, error);
    this.#listener.failed(now);
  }

  #remember({ requestedAt: beganAt }: Slot<C>, error: unknown): void {
    if (this.#isCancelled) return;
    const { runtime, counters, announcer, questions } = this.#context;
    counters.openFailures++;
    announcer.tell('open-failed', error);
    // The server is well: it has answered another one.
    if (error instanceof OvertakenError) return;
    const now = runtime.now();
    const kind = this.#classify(error);
    // Only a server that is there can refuse.
    if (kind !== 'transient') questions.connected(beganAt);
    this.#trouble = afterFailure(this.#trouble, { kind, error, beganAt }, now, runtime.random());
    this.#growth = afterSetback(this.#growth);
    this.#warnIfNeverConnected(now);
  }

  #warnIfNeverConnected(now: number): void {
    if (this.#beganAt === undefined || now - this.#beganAt < WARN_AFTER_MS) return;
    const message = neverConnected(now - this.#beganAt, this.#trouble);
    this.#beganAt = undefined;
    this.#context.announcer.warn({ code: 'TENURE_NOT_CONNECTED', message });
  }

  #classify(error: unknown): ConnectFailure {
    // The next connection may reach the new writer.
    if (error instanceof ReadOnlyServerError) return 'transient';
    return this.#context.connector.classifyConnectError?.(error) ?? 'transient';
  }
}

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
