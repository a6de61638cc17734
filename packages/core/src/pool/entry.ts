import type { SessionStatus } from '../errors.js';
import {
  CLOSED,
  type CloseReason,
  type ConnectionFacts,
  type ConnectionKind,
  type ConnectionState,
  OPENING,
  transition,
} from '../lifecycle/state.js';

/** One connection, as `connections()` lists it. */
export interface ConnectionInfo {
  /** Its number in the pool. Connects are counted from 1 in the order in which they began. */
  readonly id: number;
  /** Backend process ID; `undefined` if the driver has none. */
  readonly processId: number | undefined;
  readonly state: ConnectionKind;
  /** Milliseconds since it was opened; 0 while it is opening. */
  readonly ageMs: number;
  /** Milliseconds since it was last returned; 0 unless it is idle. */
  readonly idleMs: number;
  /** Milliseconds since it was checked out; 0 unless it is used. */
  readonly heldMs: number;
  readonly uses: number;
  readonly checks: number;
  /** How often it was reset at its return, because something may have been left on it. */
  readonly resets: number;
  readonly status: SessionStatus;
  /** The stack of the call that took it; captured only when `leakAfterMs` is set, and absent unless it is used. */
  readonly stack?: string;
  /** The text of its last statement, without parameter values; recorded only when `leakAfterMs` is set, and absent unless it is used. */
  readonly lastStatement?: string;
}

/**
 * The pool's record of one connection: its state, its times, its counts. It takes a place from the first attempt to connect until
 * the connection is gone.
 */
export class PoolEntry<C> implements ConnectionFacts {
  /** Its number in the pool. */
  readonly id: number;
  readonly generation: number;
  readonly requestedAt: number;
  openedAt = 0;
  expiresAt = Number.POSITIVE_INFINITY;
  answeredAt = 0;
  epoch = 0;
  readOnly = false;
  spread = 0;
  idleSince = 0;
  /** How long it was idle before its last checkout; `Infinity` before the second, since the time before a first checkout means nothing. */
  restedMs = Number.POSITIVE_INFINITY;
  takenAt = 0;
  /** When it was lent, to the microsecond, if an observer needs it. The time above may be a millisecond early. */
  observedAt: number | undefined = undefined;
  uses = 0;
  checks = 0;
  resets = 0;
  /** The stack of its holder's call; captured only when `leakAfterMs` is set. */
  stack: string | undefined = undefined;
  leakReported = false;
  /** Whether a check or return takes so long that the pool does not count on it. */
  late = false;
  /** Set when the connection ended while it was opening or used. The opener or the holder's return then closes it. */
  lost: { readonly cause: Error | undefined } | undefined = undefined;

  readonly #counts: Counts;
  #state: ConnectionState = OPENING;
  #connection: C | undefined;
  #promise: Promise<C> | undefined;

  constructor(counts: Counts, id: number, generation: number, requestedAt: number) {
    this.#counts = counts;
    this.id = id;
    this.generation = generation;
    this.requestedAt = requestedAt;
    counts.add('opening', 1);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  get kind(): ConnectionKind {
    return this.#state.kind;
  }

  /** Whether a connection fills this place: false while it is being opened. */
  get isFilled(): boolean {
    return this.#connection !== undefined;
  }

  /** The connection. @throws TypeError while it is being opened: a defect of the pool, never of its user */
  get connection(): C {
    if (this.#connection === undefined) throw new TypeError('The connection of this entry is still being opened.');
    return this.#connection;
  }

  /** The connection as a promise, made once: a warm acquire returns this one and makes none. */
  get promise(): Promise<C> {
    return this.#promise as Promise<C>;
  }

  /** The only place where a state changes, and the pool's counts with it. */
  move(to: ConnectionState): void {
    const from = this.#state;
    this.#state = transition(from, to);
    if (from === to) return;
    this.#counts.add(from.kind, -1);
    this.#counts.add(to.kind, 1);
  }

  fill(connection: C): void {
    this.#connection = connection;
    this.#promise = Promise.resolve(connection);
  }

  closing(reason: CloseReason): void {
    this.move({ kind: 'closing', reason });
  }

  closed(): void {
    this.move(CLOSED);
  }

  /** Adds the time for which the process was frozen, in which its connections grew older. */
  ageBy(ms: number): void {
    this.openedAt -= ms;
    this.expiresAt -= ms;
    this.answeredAt -= ms;
    this.idleSince -= ms;
  }

  /** Called when the server has answered on it. */
  answered(now: number, epoch: number): void {
    this.answeredAt = now;
    this.epoch = epoch;
  }
}

const KINDS = ['opening', 'idle', 'checking', 'used', 'returning', 'closing'] as const satisfies ConnectionKind[];

/** How many connections are in which state. Fields and a switch are faster than a record, and the warm path counts. */
export class Counts {
  /** Counts the same connections together with those of other pools. */
  #parent: Counts | undefined;
  opening = 0;
  idle = 0;
  checking = 0;
  used = 0;
  returning = 0;
  closing = 0;

  /** All taken places. A place is taken from the first attempt to connect until the connection is gone. */
  get total(): number {
    return this.opening + this.idle + this.checking + this.used + this.returning + this.closing;
  }

  /** Makes `parent` count the same connections, and removes them from the counts of the parent before. */
  moveTo(parent: Counts | undefined): void {
    for (const kind of KINDS) {
      this.#parent?.add(kind, -this[kind]);
      parent?.add(kind, this[kind]);
    }
    this.#parent = parent;
  }

  add(kind: ConnectionKind, difference: number): void {
    this.#parent?.add(kind, difference);
    switch (kind) {
      case 'idle':
        this.idle += difference;
        break;
      case 'used':
        this.used += difference;
        break;
      case 'checking':
        this.checking += difference;
        break;
      case 'returning':
        this.returning += difference;
        break;
      case 'opening':
        this.opening += difference;
        break;
      case 'closing':
        this.closing += difference;
        break;
      case 'closed':
        break;
    }
  }
}
