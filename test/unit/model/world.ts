import { expect } from 'vitest';
import {
  type SessionStatus,
  TenureClosedError,
  TenureConnectError,
  TenureTimeoutError,
  TenureTooManyWaitingError,
  TenureUnreachableError,
  TenureUsageError,
} from '../../../packages/core/src/errors.js';
import { CLOSE_REASONS, type CloseReason } from '../../../packages/core/src/lifecycle/state.js';
import type { Policy } from '../../../packages/core/src/policy/policy.js';
import type { PoolEvents } from '../../../packages/core/src/pool/events.js';
import { Pool } from '../../../packages/core/src/pool/pool.js';
import type { FakeConnection } from '../../support/fakeConnector.js';
import { FakeRuntime } from '../../support/fakeRuntime.js';
import { type Abilities, ModelServer } from './modelServer.js';

/** The clock of the warm path is read in whole milliseconds. */
const ROUNDING_MS = 1;
/** Moments are sums of fractions. */
const EXACT_MS = 1e-6;

export interface Caller {
  readonly place: number;
  readonly since: number;
  readonly timeoutMs: number;
  /** Whether the limit is a default: it counts from the last time that any waiter was served. */
  readonly isDefault: boolean;
  readonly abort: AbortController | undefined;
  /** Gave up: must be answered at once. */
  gaveUp: boolean;
  /** Gave up before the pool had an answer, so that the answer can only be that. */
  aborted: boolean;
  settled: boolean;
}

interface End {
  readonly at: number;
  readonly looksOpen: boolean;
  /** Connections open or being opened, and idle ones, this one included. */
  readonly open: number;
  readonly idle: number;
  readonly policy: Policy;
}

interface Life {
  readonly bornAt: number;
  uses: number;
  /** The state of the connection when the engine ended it. */
  end: End | undefined;
  /** Why it was closed. */
  reason?: CloseReason;
  gone?: true;
}

/** A pool, the server beneath it, the callers above it, and the books that a bystander keeps of all three. */
export class World {
  readonly runtime = new FakeRuntime();
  readonly server: ModelServer;
  readonly pool: Pool<FakeConnection>;
  readonly callers = new Set<Caller>();
  readonly hands = new Map<FakeConnection, number>();
  /** Violations found inside events, where an exception would only disturb the engine. */
  readonly wrongs: string[] = [];
  draining = false;
  /** How many had asked for a connection when the drain began: they are served as before. */
  #placesBeforeDrain = 0;
  /** Nothing is done within events any more. */
  calm = false;
  /** When a drain takes connections from their holders. */
  dropAt = Number.POSITIVE_INFINITY;

  readonly #lives = new Map<FakeConnection, Life>();
  readonly #closed = Object.fromEntries(CLOSE_REASONS.map((reason) => [reason, 0]));
  readonly #revoked = new WeakSet<FakeConnection>();
  /** Connections of callers that return them when the test says so. */
  readonly #releasable = new Set<FakeConnection>();
  #generation = 0;
  /** Whether the last connect that the pool got a result of failed; unknown after several at once with different results. */
  #failing: boolean | 'unknown' = false;
  /** When connects were last seen to fail. */
  #failedAt = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #openings = 0;
  /** When attempts were started while connects failed, within the last second. */
  #attempts: number[] = [];
  /** When the event loop was blocked: from when until when. */
  readonly #blocked = new Map<number, number>();
  /** Forward jumps of the wall clock: when, and how far. */
  #thawedAt = Number.NEGATIVE_INFINITY;
  #unseenMs = 0;
  readonly #jumps: { readonly at: number; readonly byMs: number }[] = [];
  #servedAt = Number.NEGATIVE_INFINITY;
  #places = 0;
  #handedOut = 0;
  #served = 0;

  constructor(
    policy: Policy,
    private readonly abilities: Abilities,
    chance: number,
  ) {
    this.runtime.chance = () => chance;
    const wall = this.runtime.wall.bind(this.runtime);
    this.runtime.wall = () => {
      this.#unseenMs = 0;
      return wall();
    };
    this.server = new ModelServer(this.runtime, abilities);
    this.server.beforeConnect = () => this.#seeConnect();
    this.server.arrives = (connection) =>
      void this.#lives.set(connection, { bornAt: this.now, uses: 0, end: undefined });
    this.server.beforeEnd = (connection) => this.#seeEnd(connection);
    this.server.beforeRef = (connection) => this.#seeRef(connection);
    this.pool = new Pool(this.server, policy, this.runtime);
    this.pool.on('warning', () => {});
    this.pool.on('closing', (connection, reason) => this.#seeClosing(connection, reason));
    this.pool.on('closed', (connection, reason) => this.#seeClosed(connection, reason));
  }

  get policy(): Policy {
    return this.pool.policy;
  }

  get now(): number {
    return this.runtime.time;
  }

  get waiting(): Caller[] {
    return [...this.callers].filter(({ settled }) => !settled);
  }

  acquire(timeoutMs: number | undefined, mayAbort: boolean): void {
    const { caller, options } = this.#newCaller(timeoutMs, mayAbort);
    this.pool.acquire(options).then(
      (connection) => {
        this.#settle(caller);
        this.check(this.hands.has(connection) || this.#revoked.has(connection), 'a caller got what was not handed out');
        if (this.hands.has(connection)) this.#releasable.add(connection);
      },
      (error) => this.#seeRefusal(caller, error),
    );
  }

  get releasable(): number {
    return this.#releasable.size;
  }

  get served(): number {
    return this.#served;
  }

  use(holdMs: number, fails: boolean): void {
    const { caller, options } = this.#newCaller(undefined, false);
    const failure = new Error('the work failed');
    let held: FakeConnection | undefined;
    const work = async (connection: FakeConnection) => {
      this.#settle(caller);
      held = connection;
      await this.runtime.sleep(holdMs);
      this.#letGo(connection);
      if (fails) throw failure;
    };
    this.pool.use(work, options).catch((error) => {
      if (held === undefined) this.#seeRefusal(caller, error);
      else this.check(error === failure, `use failed with ${error}`);
    });
  }

  abort(which: number): void {
    const able = this.waiting.filter(({ abort, gaveUp }) => abort && !gaveUp);
    const caller = able[which % able.length];
    if (caller === undefined) return;
    const inLine = this.pool.stats().waiting;
    caller.gaveUp = true;
    caller.abort?.abort(caller);
    caller.aborted = this.pool.stats().waiting < inLine;
  }

  /** Gives a connection back; `twice` tries it once more when that cannot be right. */
  release(which: number, error: Error | undefined, twice: boolean): void {
    const connection = [...this.#releasable][which % this.#releasable.size];
    if (connection === undefined) return;
    this.#letGo(connection);
    this.pool.release(connection, error);
    if (!twice || this.hands.has(connection) || this.now >= this.dropAt) return;
    expect(() => this.pool.release(connection)).toThrow(TenureUsageError);
  }

  /** Sets the session's work while it is held. */
  work(which: number, status: SessionStatus): void {
    const connection = [...this.#releasable][which % this.#releasable.size];
    if (connection) connection.status = status;
  }

  /** The server ends a connection. Silently: with a bare end of stream, which only a look at the socket shows. */
  lose(which: number, silently: boolean): void {
    const { live } = this.server;
    const connection = live[which % live.length];
    if (connection === undefined || !this.#lives.has(connection)) return;
    if (!silently || !this.abilities.isOpen) return connection.lose(new Error('the server went away'));
    connection.isOpen = false;
    connection.ended = 'aborted';
  }

  /** A write fails on a connection because its server takes none any more. */
  refuseWrite(which: number): void {
    const { live } = this.server;
    const connection = live[which % live.length];
    if (connection && this.#lives.has(connection)) connection.refuseWrite();
  }

  /** Does something within the next event of this kind. */
  once(event: keyof PoolEvents<FakeConnection>, act: () => void): void {
    let done = false;
    const listener = () => {
      this.pool.off(event, listener);
      if (done || this.calm) return;
      done = true;
      act();
    };
    this.pool.on(event, listener);
  }

  block(byMs: number): Promise<void> {
    this.#blocked.set(this.now, this.now + byMs);
    return this.runtime.block(byMs);
  }

  /** The wall clock is set forward, or back. */
  jump(byMs: number): void {
    this.runtime.wallAhead += byMs;
    if (byMs > 0) this.#jumps.push({ at: this.now, byMs });
    // If the clock is set forward and back, or back and forward, before it is read, nothing shows.
    this.#unseenMs += byMs;
    this.#thawedAt = this.#unseenMs > 0 ? this.now : Number.NEGATIVE_INFINITY;
  }

  invalidate(): void {
    this.#generation++;
    this.pool.invalidate();
  }

  drain(timeoutMs: number | undefined): Promise<void> {
    if (!this.draining) this.#placesBeforeDrain = this.#places;
    this.draining = true;
    this.dropAt = Math.min(this.dropAt, this.now + (timeoutMs ?? Number.POSITIVE_INFINITY));
    return this.pool.drain(timeoutMs).then(() => {
      this.check(this.pool.connections().length === 0, 'the drain ended before the last goodbye');
    });
  }

  check(holds: boolean, wrong: string): void {
    if (!holds) this.wrongs.push(`at ${this.now} ms: ${wrong}`);
  }

  /** Assertions for any moment. */
  checkAlways(): void {
    const { server, pool } = this;
    const infos = pool.connections();
    const stats = pool.stats();
    const count = (...states: string[]) => infos.filter(({ state }) => states.includes(state)).length;
    const figures = [stats.used, stats.idle, stats.opening, stats.busy, stats.acquired];
    const counted = [
      count('used'),
      count('idle'),
      count('opening'),
      count('checking', 'returning', 'closing'),
      this.#handedOut,
    ];
    this.check(String(figures) === String(counted), `figures ${figures} differ from ${counted}`);
    const alive = count('idle', 'checking', 'used', 'returning');
    const closed = Object.values(stats.closed).reduce((sum, one) => sum + one, 0);
    this.check(stats.opened === closed + alive, `opened ${stats.opened} is not closed ${closed} + alive ${alive}`);
    for (const connection of this.hands.keys()) {
      const info = infos.find(({ processId }) => processId === server.processId(connection));
      this.check(
        info?.state === 'used' || this.now >= this.dropAt,
        `connection ${connection.id} is held and ${info?.state}`,
      );
    }
    expect(this.wrongs).toEqual([]);
  }

  /** Assertions after all work that needs no time. */
  checkSettled(): void {
    this.#learn();
    const { opening, idle, waiting, closed } = this.pool.stats();
    const states = this.pool.connections().map(({ state }) => state);
    const expected = states.filter((state) => state === 'checking' || state === 'returning').length;
    this.check(waiting === this.waiting.length, `${waiting} wait, but ${this.waiting.length} have not been answered`);
    for (const caller of this.waiting) {
      const deadline = this.#deadlineOf(caller);
      this.check(deadline > this.now, `caller ${caller.place} still waits after its deadline ${deadline}`);
      this.check(!caller.gaveUp, `caller ${caller.place} still waits after giving up`);
    }
    this.check(waiting === 0 || idle === 0 || expected >= waiting, `${waiting} wait beside ${idle} idle`);
    const room = this.policy.maxConnections - states.length;
    const punctual = expected - this.server.lateOperations;
    this.check(
      waiting <= punctual || room <= 0 || opening > this.server.lateConnects || this.#failing !== false,
      `${waiting} wait and nothing is under way, with room for ${room}`,
    );
    const told = Object.entries(this.#closed).filter(([reason, times]) => closed[reason as CloseReason] !== times);
    this.check(told.length === 0, `counted and told closings differ: ${told}`);
    this.check(this.#served === this.#handedOut, 'a connection was handed to nobody');
    // A holder keeps it alive by the connection it holds.
    const mayExit = !this.runtime.holdsProcess && this.hands.size === 0;
    this.check(waiting === 0 || !mayExit, 'the process may exit while someone waits');
    const known = new Set(this.pool.connections().map(({ processId }) => processId));
    const unknown = this.server.live.filter((connection) => !known.has(this.server.processId(connection)));
    // One that is still being asked whether its server takes writes has not been opened yet.
    const asked = this.policy.writable ? opening : 0;
    this.check(unknown.length <= asked, `nobody knows of connections ${unknown.map(({ id }) => id)}`);
    this.checkAlways();
  }

  #newCaller(timeoutMs: number | undefined, mayAbort: boolean) {
    const abort = mayAbort ? new AbortController() : undefined;
    const { acquireTimeoutMs, sources } = this.policy;
    const isDefault = timeoutMs === undefined && sources.acquireTimeoutMs.from === 'default';
    const limit = { since: this.now, timeoutMs: timeoutMs ?? acquireTimeoutMs, isDefault };
    const place = this.#places++;
    const caller: Caller = { place, ...limit, abort, gaveUp: false, aborted: false, settled: false };
    this.callers.add(caller);
    const options = { ...(timeoutMs !== undefined && { timeoutMs }), ...(abort && { signal: abort.signal }) };
    return { caller, options };
  }

  #deadlineOf({ since, timeoutMs, isDefault }: Caller): number {
    return (isDefault ? Math.max(since, this.#servedAt) : since) + timeoutMs;
  }

  #settle(caller: Caller): void {
    this.#served++;
    this.#servedAt = this.now;
    this.check(!caller.settled, `caller ${caller.place} was answered twice`);
    caller.settled = true;
    this.callers.delete(caller);
    this.check(!caller.aborted, `caller ${caller.place} was served after it gave up`);
    for (const other of this.callers) {
      if (other.place >= caller.place || other.gaveUp) continue;
      this.check(false, `caller ${caller.place} was served before caller ${other.place}`);
    }
  }

  #seeRefusal(caller: Caller, error: unknown): void {
    this.check(!caller.settled, `caller ${caller.place} was answered twice`);
    caller.settled = true;
    this.callers.delete(caller);
    const { place, since, aborted } = caller;
    const deadline = this.#deadlineOf(caller);
    if (error === caller) return this.check(aborted, `caller ${place} gave up without giving up`);
    if (error instanceof TenureTimeoutError) {
      return this.check(this.now >= deadline, `caller ${place} timed out before ${deadline}`);
    }
    if (error instanceof TenureUnreachableError) {
      // Resolves at once, or at its own time. If the event loop was blocked just then, the caller gets it after that.
      this.check(
        this.now === this.#readAt(since) || this.now >= deadline,
        `caller ${place} was refused before ${deadline}`,
      );
    }
    if (error instanceof TenureUnreachableError || error instanceof TenureConnectError) {
      return this.check(this.pool.stats().openFailures > 0, `caller ${place} heard of a failure that never was`);
    }
    if (error instanceof TenureTooManyWaitingError) {
      return this.check(Number.isFinite(this.policy.maxWaiting), 'refused without a maxWaiting');
    }
    this.check(error instanceof TenureClosedError && this.draining, `caller ${place} failed with ${error}`);
    this.check(
      place >= this.#placesBeforeDrain || this.now >= this.dropAt,
      `caller ${place} was in line before the drain, and is refused before its time limit`,
    );
  }

  #letGo(connection: FakeConnection): void {
    this.server.answered(this.hands.get(connection) ?? Number.NEGATIVE_INFINITY);
    this.hands.delete(connection);
    this.#releasable.delete(connection);
    this.server.heard(connection);
  }

  #seeConnect(): number {
    const { server, policy, now } = this;
    const count = server.inFlight + server.arrived;
    this.check(count < policy.maxConnections, `a connect is started beside ${count} of ${policy.maxConnections}`);
    this.check(!this.draining || this.waiting.length > 0, 'a connect is started for nobody while the pool drains');
    this.#learn();
    if (this.#failing === true) {
      this.check(server.punctual === 0, `an attempt is started beside ${server.punctual} while connects fail`);
      this.#attempts = [...this.#attempts.filter((at) => at > now - 1_000 + EXACT_MS), now];
      this.check(this.#attempts.length <= 3, 'more than three attempts within a second while connects fail');
    }
    return this.#generation;
  }

  /** The engine lets a connection hold the process: it is being handed out, or closed by a drain. */
  #seeRef(connection: FakeConnection): void {
    const { policy, server, now } = this;
    const info = this.pool.connections().find(({ processId }) => processId === server.processId(connection));
    if (this.draining && info?.state === 'closing') return;
    const life = this.#lives.get(connection);
    const name = `connection ${connection.id}`;
    if (life === undefined) return this.check(false, `${name} is handed out before it is opened`);
    this.check(!this.hands.has(connection), `${name} is in two hands`);
    this.check(life.reason === undefined, `${name} is handed out after it was closed`);
    this.check(!server.toldLost.has(connection), `${name} is handed out after it was lost`);
    this.check(connection.isOpen || !this.abilities.isOpen, `${name} is handed out although it looks closed`);
    this.check(
      server.generationOf.get(connection) === this.#generation,
      `${name} is handed out after it was invalidated`,
    );
    this.check(!server.toldReadOnly.has(connection), `${name} is handed out although its server takes no writes`);
    this.check(
      !policy.writable || server.takesWrites(connection),
      `${name} is handed out although the policy wants a server that takes writes`,
    );
    this.check(life.uses < policy.maxUses, `${name} is handed out for the ${life.uses + 1}th time`);
    // Connections in steady use, and those of the minimum, wait for their turn to be replaced.
    const alive = this.pool.connections().filter(({ state }) => state !== 'closing' && state !== 'opening').length;
    const isNeeded =
      now - this.#readAt(server.idleSince.get(connection)!) < Math.min(1_000, policy.maxAgeMs / 4) ||
      alive <= policy.minConnections;
    this.check(
      life.uses === 0 || now - this.#readAt(life.bornAt) < policy.maxAgeMs + ROUNDING_MS || isNeeded,
      `${name} is handed out although it is too old`,
    );
    const silentMs = now - this.#readAt(server.heardAt.get(connection) ?? 0);
    const asks = policy.healthChecks && this.abilities.ping;
    const bypassMs = policy.healthBypassMs === 0 ? 0 : Math.max(policy.healthBypassMs, server.roundTripMs);
    this.check(!asks || silentMs <= bypassMs + ROUNDING_MS, `${name} is handed out unchecked after ${silentMs} ms`);
    const thawed = this.#thawedAt > this.#readAt(server.heardAt.get(connection) ?? 0);
    this.check(!asks || !thawed, `${name} is handed out unchecked after a freeze`);
    const tidy = policy.reset === 'none' || connection.status === 'idle';
    this.check(tidy, `${name} is handed out with a session that is ${connection.status}`);
    life.uses++;
    this.#handedOut++;
    this.hands.set(connection, now);
  }

  /** The moment of reading: data that arrived just before the event loop was blocked is read after it. */
  #readAt(moment: number): number {
    return this.#blocked.get(moment) ?? moment;
  }

  #jumpedSince(moment: number): number {
    return this.#jumps.reduce((sum, { at, byMs }) => sum + (at >= moment ? byMs : 0), 0);
  }

  #learn(): void {
    // The pool's first connects start before there is a pool to ask.
    if (this.pool === undefined) return;
    const { opened, openFailures } = this.pool.stats();
    const failures = Math.max(this.#failures, openFailures - this.server.overtaken);
    const [some, others] = [opened > this.#openings, failures > this.#failures];
    if (some || others) {
      // A connect that was under way when another connection ended early does not say that the next one will last.
      const isProof = this.#failing !== true || this.server.succeededFrom > this.#failedAt;
      this.#failing = some && (others || !isProof) ? 'unknown' : others;
    }
    if (others) this.#failedAt = this.now;
    this.#openings = opened;
    this.#failures = failures;
  }

  /** Called when the engine closes or drops a connection; it emits the reason a moment later. */
  #seeEnd(connection: FakeConnection): void {
    const life = this.#lives.get(connection);
    if (life === undefined || life.end) return;
    const states = this.pool.connections().map(({ state }) => state);
    life.end = {
      at: this.now,
      looksOpen: connection.isOpen && !this.server.toldLost.has(connection),
      open: states.filter((state) => state !== 'closing').length + 1,
      idle: states.filter((state) => state === 'idle').length + 1,
      policy: this.policy,
    };
  }

  #seeClosing(connection: FakeConnection, reason: CloseReason): void {
    const life = this.#lives.get(connection);
    if (life === undefined) return this.check(false, `connection ${connection.id} is closed before it was opened`);
    this.check(life.reason === undefined, `connection ${connection.id} is closed twice: ${life.reason}, ${reason}`);
    life.reason = reason;
    this.#closed[reason] = this.#closed[reason]! + 1;
    this.#releasable.delete(connection);
    if (this.hands.delete(connection)) {
      this.#revoked.add(connection);
      this.check(this.now >= this.dropAt, `connection ${connection.id} was taken from its holder (${reason})`);
    }
    this.check(
      life.end !== undefined && this.#mayClose(connection, life, life.end, reason),
      `connection ${connection.id} was closed for ${reason}`,
    );
  }

  #mayClose(connection: FakeConnection, life: Life, end: End, reason: CloseReason): boolean {
    const { server } = this;
    const { at, looksOpen, open, idle, policy } = end;
    // The pool may take any jump for time in which the process was frozen.
    const sinceThen = (moment: number) => at - moment + this.#jumpedSince(moment);
    const mayGiveUp = server.mayHaveBeenGivenUp(connection, at, policy.healthTimeoutMs);
    switch (reason) {
      case 'max-age':
        return life.uses > 0 && sinceThen(life.bornAt) >= policy.maxAgeMs * (1 - policy.maxAgeJitter) - ROUNDING_MS;
      case 'max-uses':
        return life.uses >= policy.maxUses;
      case 'idle':
        return (
          open > policy.minConnections &&
          sinceThen(server.idleSince.get(connection)!) >= policy.idleTimeoutMs - ROUNDING_MS
        );
      case 'overflow':
        return open > policy.maxConnections || idle > policy.reuseConnections;
      case 'failed-check':
        return !looksOpen || (server.checkFailed.has(connection) && mayGiveUp);
      case 'broken':
        return !looksOpen || !this.abilities.reset || (server.resetFailed.has(connection) && mayGiveUp);
      case 'read-only':
        return server.toldReadOnly.has(connection) || !server.takesWrites(connection);
      case 'invalidated':
        return server.generationOf.get(connection)! < this.#generation;
      case 'discarded':
        // It came after its connect had been given up.
        return life.uses === 0 && server.connectOf.get(connection)!.aborted;
      case 'closing':
        return this.draining;
      default:
        return false;
    }
  }

  #seeClosed(connection: FakeConnection, reason: CloseReason): void {
    const life = this.#lives.get(connection);
    this.check(
      life?.reason === reason && !life.gone,
      `connection ${connection.id} is gone (${reason}), it was ${life?.reason}`,
    );
    if (life) life.gone = true;
    this.check(connection.ended !== undefined, `connection ${connection.id} is gone but open`);
  }
}
