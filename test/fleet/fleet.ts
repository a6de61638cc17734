import { parsePolicy } from '../../packages/core/src/policy/parsePolicy.js';
import type { PolicyOverrides } from '../../packages/core/src/policy/policy.js';
import type { Connector } from '../../packages/core/src/pool/connector.js';
import { Pool } from '../../packages/core/src/pool/pool.js';
import { LockServer, type Session, SimulatedLocks } from './lockServer.js';
import { ProcessTime, randomFrom, SimulatedTime } from './simulatedTime.js';

/** How long a caller holds a connection on average, and how long it thinks before it asks again. */
export interface Load {
  readonly holdMs: number;
  readonly thinkMs: number;
}

/** One process: a real pool, over sessions of a simulated server, and its callers. */
export class Member {
  readonly time: ProcessTime;
  readonly pool: Pool<Session>;
  readonly #server: LockServer;
  readonly #load: Load;
  #callers = 0;
  #active = 0;
  isKilled = false;
  /** The app's calls that failed although nothing had happened to this process, its network or the server. */
  readonly failures: unknown[] = [];
  /** Something has happened to it: failures prove nothing. */
  hasFault = false;

  constructor(server: LockServer, seed: number, load: Load, policy: PolicyOverrides) {
    const random = randomFrom(seed);
    this.#server = server;
    this.#load = load;
    this.time = new ProcessTime(server.time, random, 10_000 * (random() - 0.5));
    const connector: Connector<Session> = {
      connect: (signal, onLost) => server.connect(this.time, signal, onLost),
      close: (session) => server.close(session),
      abort: (session) => void server.close(session).catch(() => {}),
      ping: (session, signal) => server.ask(session, signal, () => {}),
      isOpen: (session) => !session.isEnded,
      processId: ({ id }) => id,
      slotLocks: (member) => new SimulatedLocks(server, member),
    };
    this.pool = new Pool(connector, parsePolicy({}, { maxConnections: 1_000, ...policy }), this.time);
    this.pool.on('warning', () => {});
  }

  get slots(): number {
    return this.pool.stats().budget?.slots ?? 0;
  }

  get closedForBudget(): number {
    return this.pool.stats().closed.budget;
  }

  /** Sets how many callers use the pool from now on. */
  set callers(callers: number) {
    this.#callers = callers;
    while (this.#active < callers) void this.#call();
  }

  get callers(): number {
    return this.#callers;
  }

  kill(): void {
    this.isKilled = this.time.isKilled = true;
    this.#callers = 0;
    for (const session of this.#sessions()) this.#server.time.after(1, () => this.#server.end(session, false));
  }

  /** The network to the server breaks. */
  partition(): void {
    this.hasFault = true;
    for (const session of this.#sessions()) this.#server.cut(session);
  }

  freeze(forMs: number): void {
    this.hasFault = true;
    this.time.freeze();
    this.#server.time.after(forMs, () => this.time.thaw());
  }

  #sessions(): Session[] {
    return [...this.#server.sessions].filter(({ process }) => process === this.time);
  }

  async #call(): Promise<void> {
    this.#active++;
    const { random } = this.time;
    try {
      await this.#sleep(this.#load.thinkMs * random());
      while (this.#active <= this.#callers) {
        await this.#useOnce(2 * this.#load.holdMs * random());
        await this.#sleep(2 * this.#load.thinkMs * random());
      }
    } finally {
      this.#active--;
    }
  }

  async #useOnce(holdMs: number): Promise<void> {
    try {
      const session = await this.pool.acquire();
      await this.#sleep(holdMs);
      try {
        await this.#server.ask(session, AbortSignal.timeout(2 ** 31 - 1), () => {});
      } finally {
        this.pool.release(session);
      }
    } catch (error) {
      if (!this.hasFault && !this.isKilled) this.failures.push(error);
      await this.#sleep(100);
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.time.after(ms, resolve));
  }
}

/** A fleet of processes on one server. */
export class Fleet {
  readonly time = new SimulatedTime();
  readonly random: () => number;
  readonly server: LockServer;
  members: Member[] = [];
  /** The largest of the budgets that are in force. */
  limit = 0;
  /** The smallest of them. */
  smallestLimit = Number.POSITIVE_INFINITY;
  peak = 0;
  /** Whether there were ever more processes than slots that one of them could get. */
  wasShort = false;
  readonly #load: Load;
  /** Slots and all sessions, whenever they have changed. */
  readonly history: (readonly [atMs: number, slots: number, sessions: number])[] = [];

  constructor(seed: number, load: Load = { holdMs: 150, thinkMs: 1 }) {
    this.random = randomFrom(seed);
    this.server = new LockServer(this.time, randomFrom(seed + 1));
    this.#load = load;
  }

  join(policy: PolicyOverrides & { budget: number }): Member {
    const member = new Member(this.server, Math.floor(this.random() * 2 ** 32), this.#load, policy);
    this.limit = Math.max(this.limit, policy.budget);
    this.smallestLimit = Math.min(this.smallestLimit, policy.budget);
    this.members.push(member);
    return member;
  }

  get living(): Member[] {
    return this.members.filter(({ isKilled }) => !isKilled);
  }

  /** Lets time pass, and checks after each event that the budget holds. */
  async run(forMs: number): Promise<void> {
    await this.time.runUntil(this.time.now + forMs, () => this.#check());
  }

  #check(): void {
    const { owned, stranded, violations } = this.server;
    const { size } = this.server.sessions;
    const last = this.history.at(-1);
    if (last?.[1] !== owned || last[2] !== size) this.history.push([this.time.now, owned, size]);
    this.peak = Math.max(this.peak, owned);
    this.wasShort ||= this.living.length > this.smallestLimit - stranded;
    if (owned > this.limit) violations.push(`${owned} sessions hold slots of ${this.limit} at ${this.time.now} ms`);
    if (violations.length > 0) throw new Error(violations.join('\n'));
  }
}
