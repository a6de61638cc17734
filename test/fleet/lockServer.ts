import type { MemberCount, ServerLimits, SlotLocks, TakeRequest } from '../../packages/core/src/pool/slotLocks.js';
import type { ProcessTime, SimulatedTime } from './simulatedTime.js';

/** A session of the simulated server. */
export interface Session {
  readonly id: number;
  readonly process: ProcessTime;
  isOpen: boolean;
  /** The client cannot reach it any more, and has not noticed. */
  isCut: boolean;
  /** Callbacks for those who wait for an answer when the client finds out that it has ended. */
  readonly waiting: Set<(error: Error) => void>;
  /** The client has read that it has ended. */
  isEnded: boolean;
  /** The slot with which it is in the fleet; `undefined` while it joins, and of a guest. */
  slot: number | undefined;
  /** Its locks, oldest first. */
  readonly locks: Set<string>;
  readonly ended: (cause?: Error) => void;
}

type Kind = 'slot' | 'member' | 'hungry' | 'hunger';

const NOBODY: ReadonlySet<Session> = new Set();

/** How long the server keeps a session whose process is gone without a goodbye: its keepalives. */
const LEASH_MS = 90_000;

class EndedError extends Error {}

/** The lock manager of a server, and its sessions. A statement is one step: it holds EXCLUSIVE locks only within. */
export class LockServer {
  readonly sessions = new Set<Session>();
  /** The locks by kind and number. */
  readonly #locks = new Map<Kind, Map<number, Set<Session>>>();
  readonly #owners = new Map<number, Session>();
  /** Violations of the rules of a budget. */
  readonly violations: string[] = [];
  statements = 0;
  isDown = false;
  #hasCut = false;
  #last = 0;

  constructor(
    readonly time: SimulatedTime,
    readonly random: () => number,
    readonly maxConnections = 10_000,
  ) {}

  /** Sessions that are in the fleet with a slot. */
  get owned(): number {
    return this.#owners.size;
  }

  /** Slots of sessions whose client is gone without a goodbye. Nothing frees them before the leash ends. */
  get stranded(): number {
    if (!this.#hasCut) return 0;
    return [...this.#owners.values()].filter(({ isCut }) => isCut).length;
  }

  async connect(process: ProcessTime, signal: AbortSignal, ended: (cause?: Error) => void): Promise<Session> {
    await this.#travel(process, 2 + 8 * this.random());
    signal.throwIfAborted();
    if (this.isDown) throw Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
    const session: Session = {
      id: ++this.#last,
      process,
      isOpen: true,
      isCut: false,
      waiting: new Set(),
      isEnded: false,
      slot: undefined,
      locks: new Set(),
      ended,
    };
    this.sessions.add(session);
    return session;
  }

  /** A goodbye of the client. */
  async close(session: Session): Promise<void> {
    session.isEnded = true;
    if (session.isCut) return;
    await this.#travel(session.process, 0.5 + this.random());
    this.end(session, false);
    await this.#travel(session.process, 0.5);
  }

  /** Ends a session, and releases its locks. */
  end(session: Session, tellsClient = true): void {
    if (!session.isOpen) return;
    session.isOpen = false;
    this.sessions.delete(session);
    for (const key of session.locks) this.#remove(key, session);
    if (session.slot !== undefined) this.#owners.delete(session.slot);
    session.slot = undefined;
    if (tellsClient && !session.isCut) session.process.after(0.5, () => this.#notice(session));
  }

  /** The network to the client breaks, without a sign. */
  cut(session: Session): void {
    this.#hasCut = true;
    session.isCut = true;
    // The client's own keepalives find out as well.
    this.time.after(LEASH_MS, () => {
      this.end(session, false);
      this.#notice(session);
    });
  }

  restart(downMs: number): void {
    this.isDown = true;
    for (const session of [...this.sessions]) this.end(session);
    this.time.after(downMs, () => {
      this.isDown = false;
    });
  }

  /** A round trip on a session. */
  async ask<T>(session: Session, signal: AbortSignal | undefined, statement: () => T): Promise<T> {
    await this.#travel(session.process, 0.1 + 0.4 * this.random());
    if (session.isCut) await this.#never(session, signal);
    if (!session.isOpen) {
      this.#notice(session);
      throw new EndedError('the session has ended');
    }
    this.statements++;
    const answer = statement();
    await this.#travel(session.process, 0.1 + 0.4 * this.random());
    if (!session.isOpen) throw new EndedError('the session has ended');
    return answer;
  }

  holders(kind: Kind, object: number): ReadonlySet<Session> {
    return this.#locks.get(kind)?.get(object) ?? NOBODY;
  }

  lock(kind: Kind, object: number, session: Session): void {
    const ofKind = this.#locks.get(kind) ?? new Map<number, Set<Session>>();
    this.#locks.set(kind, ofKind);
    ofKind.set(object, (ofKind.get(object) ?? new Set()).add(session));
    session.locks.add(`${kind} ${object}`);
  }

  unlock(kind: Kind, object: number, session: Session): void {
    session.locks.delete(`${kind} ${object}`);
    this.#remove(`${kind} ${object}`, session);
  }

  /** Every lock of a kind, as pg_locks lists them. */
  listed(kind: Kind): Iterable<readonly [number, ReadonlySet<Session>]> {
    return this.#locks.get(kind) ?? [];
  }

  #remove(key: string, session: Session): void {
    const [kind, object] = key.split(' ') as [Kind, string];
    const ofKind = this.#locks.get(kind);
    const holders = ofKind?.get(Number(object));
    if (holders?.delete(session) && holders.size === 0) ofKind?.delete(Number(object));
  }

  /** A session is in the fleet with a slot. */
  own(session: Session, slot: number): void {
    const owner = this.#owners.get(slot);
    if (owner && owner !== session)
      this.violations.push(`slot ${slot} has two sessions, ${owner.id} and ${session.id}`);
    if (!this.holders('slot', slot).has(session))
      this.violations.push(`session ${session.id} has no lock on slot ${slot}`);
    session.slot = slot;
    this.#owners.set(slot, session);
  }

  #never(session: Session, signal: AbortSignal | undefined): Promise<never> {
    return new Promise((_, reject) => {
      session.waiting.add(reject);
      signal?.addEventListener('abort', () => reject(signal.reason));
      if (session.isEnded) reject(new EndedError('the session has ended'));
    });
  }

  #notice(session: Session): void {
    if (session.isEnded) return;
    session.isEnded = true;
    const error = new EndedError('the session has ended');
    session.process.after(0, () => {
      for (const reject of session.waiting) reject(error);
      session.ended(error);
    });
  }

  #travel(process: ProcessTime, ms: number): Promise<void> {
    return new Promise((resolve) => void process.after(ms, resolve));
  }
}

/** The locks of a member of the fleet on this server. */
export class SimulatedLocks implements SlotLocks<Session> {
  readonly #server: LockServer;
  readonly #member: number;

  constructor(server: LockServer, member: number) {
    this.#server = server;
    this.#member = member;
  }

  survey(session: Session, signal: AbortSignal): Promise<ServerLimits> {
    const none = Number.POSITIVE_INFINITY;
    const { maxConnections } = this.#server;
    return this.#ask(session, signal, () => ({ maxConnections, reserved: 3, ofRole: none, ofDatabase: none }));
  }

  take(session: Session, { count, limit, start, own }: TakeRequest, signal: AbortSignal): Promise<readonly number[]> {
    return this.#ask(session, signal, () => {
      const taken: number[] = [];
      for (let step = 0; step < limit && taken.length < count; step++) {
        const slot = (start + step) % limit;
        const holders = this.#server.holders('slot', slot);
        // Its own lock is no obstacle to a session.
        const isFree = holders.size === 0 || (holders.size === 1 && holders.has(session));
        if (!isFree || own.includes(slot)) continue;
        this.#server.lock('slot', slot, session);
        taken.push(slot);
      }
      return taken;
    });
  }

  enter(session: Session, signal: AbortSignal): Promise<void> {
    return this.#ask(session, signal, () => {
      const [first] = [...session.locks].filter((key) => key.startsWith('slot '));
      this.#server.lock('member', this.#member, session);
      // The first one that it took is its own.
      if (session.slot === undefined && first) this.#server.own(session, Number(first.slice('slot '.length)));
    });
  }

  inherit(session: Session, slot: number, from: Session, signal: AbortSignal): Promise<boolean> {
    return this.#ask(session, signal, () => {
      const others = [...this.#server.holders('slot', slot)].filter((one) => one !== from && one !== session);
      if (others.length > 0) return false;
      this.#server.lock('slot', slot, session);
      this.#server.lock('member', this.#member, session);
      this.#server.own(session, slot);
      return true;
    });
  }

  release(session: Session, slots: readonly number[], signal: AbortSignal): Promise<void> {
    return this.#ask(session, signal, () => {
      for (const slot of slots) this.#server.unlock('slot', slot, session);
    });
  }

  keep(): Promise<boolean> {
    return Promise.resolve(true);
  }

  showHunger(session: Session, signal: AbortSignal): Promise<void> {
    return this.#ask(session, signal, () => {
      this.#server.lock('hungry', 0, session);
      this.#server.lock('hunger', this.#member, session);
    });
  }

  hideHunger(session: Session, signal: AbortSignal): Promise<void> {
    return this.#ask(session, signal, () => {
      this.#server.unlock('hungry', 0, session);
      this.#server.unlock('hunger', this.#member, session);
    });
  }

  isAnyoneHungry(session: Session, signal: AbortSignal): Promise<boolean> {
    return this.#ask(session, signal, () => {
      const holders = this.#server.holders('hungry', 0);
      return holders.size > 1 || (holders.size === 1 && !holders.has(session));
    });
  }

  census(session: Session, signal: AbortSignal): Promise<readonly MemberCount[]> {
    return this.#ask(session, signal, () => {
      const members = new Map<number, MemberCount>();
      for (const [member, { size }] of this.#server.listed('member'))
        members.set(member, { member, held: size, isHungry: false });
      for (const [member] of this.#server.listed('hunger'))
        members.set(member, { member, held: members.get(member)?.held ?? 0, isHungry: true });
      return [...members.values()];
    });
  }

  audit(session: Session, signal: AbortSignal): Promise<ReadonlySet<number>> {
    return this.#ask(
      session,
      signal,
      () => new Set([...this.#server.sessions].filter((one) => one.slot !== undefined).map(({ id }) => id)),
    );
  }

  mayHaveLost(): boolean {
    return false;
  }

  #ask<T>(session: Session, signal: AbortSignal, statement: () => T): Promise<T> {
    return this.#server.ask(session, signal, statement);
  }
}
