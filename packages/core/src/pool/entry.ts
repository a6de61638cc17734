import {
  type ConnectionEvent,
  type ConnectionFacts,
  type ConnectionKind,
  type ConnectionState,
  OPENING,
  transition,
} from '../lifecycle/state.js';

/** A place in the pool, and the connection that fills it. Owns the connection's state; nothing is written on the connection itself. */
export class Slot<C> implements ConnectionFacts {
  /** The connection; set when it has been opened, which is before anyone but the opener sees this place. */
  connection: C = undefined as unknown as C;
  /** The same as a promise, made once: a warm acquire hands this out, and makes none. */
  promised: Promise<C> = undefined as unknown as Promise<C>;
  bornAt = 0;
  expiresAt = Number.POSITIVE_INFINITY;
  heardAt = 0;
  epoch = 0;
  readOnly = false;
  spread = 0;
  idleSince = 0;
  /** How long it had waited for its last borrower; of a first borrower that says nothing. */
  restedMs = Number.POSITIVE_INFINITY;
  takenAt = 0;
  uses = 0;
  checks = 0;
  /** Where the borrower took it; captured only when `leakAfterMs` is set. */
  stack: string | undefined = undefined;
  leakReported = false;
  /** A check or return that takes so long that nobody should count on it. */
  late = false;
  /** Why the connection ended while someone else was responsible for it. */
  lost: { readonly cause: Error | undefined } | undefined = undefined;

  #state: ConnectionState = OPENING;

  constructor(
    private readonly census: Census,
    readonly generation: number,
    readonly requestedAt: number,
  ) {
    census.add('opening', 1);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  get kind(): ConnectionKind {
    return this.#state.kind;
  }

  /** The only place where a state changes; the pool's counts change with it. */
  move(event: ConnectionEvent): void {
    const next = transition(this.#state, event);
    this.census.add(this.#state.kind, -1);
    this.census.add(next.kind, 1);
    this.#state = next;
  }

  opened(connection: C, now: number, life: { readonly expiresAt: number; readonly spread: number }): void {
    this.move('opened');
    this.filled(connection);
    this.bornAt = this.idleSince = now;
    this.expiresAt = life.expiresAt;
    this.spread = life.spread;
  }

  filled(connection: C): void {
    this.connection = connection;
    this.promised = Promise.resolve(connection);
  }

  /** The process stood still while its connections grew older. */
  ageBy(ms: number): void {
    this.bornAt -= ms;
    this.expiresAt -= ms;
    this.heardAt -= ms;
    this.idleSince -= ms;
  }

  /** The server has answered on it. */
  heard(now: number, epoch: number): void {
    this.heardAt = now;
    this.epoch = epoch;
  }

  taken(now: number, stack: string | undefined): void {
    this.move('taken');
    if (this.uses > 0) this.restedMs = now - this.idleSince;
    this.takenAt = now;
    this.stack = stack;
    this.leakReported = false;
    this.uses++;
  }
}

const KINDS = ['opening', 'idle', 'checking', 'used', 'returning', 'closing'] as const satisfies ConnectionKind[];

/** How many connections are in which state. Fields and a switch instead of a record: this is counted on the warm path. */
export class Census {
  /** Counts the same connections, together with those of other pools. */
  #parent: Census | undefined;
  opening = 0;
  idle = 0;
  checking = 0;
  used = 0;
  returning = 0;
  closing = 0;

  /** Places taken, from the first attempt to connect until the connection is gone. */
  get total(): number {
    return this.opening + this.idle + this.checking + this.used + this.returning + this.closing;
  }

  /** Has this other census count the same connections, and the one before count them no more. */
  moveTo(parent: Census | undefined): void {
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
