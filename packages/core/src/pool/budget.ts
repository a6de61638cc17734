import { BudgetSchedule } from './budgetSchedule.js';
import type { Checkout } from './checkout.js';
import { Alarm, afterTwoTurns } from './clock.js';
import type { Connections } from './connections.js';
import type { Context } from './context.js';
import type { PoolEntry } from './entry.js';
import { Hunger } from './hunger.js';
import { Joining } from './joining.js';
import type { Maintenance } from './maintenance.js';
import { budgetOff, budgetShortage } from './messages.js';
import { Shortage } from './shortage.js';
import { type Admission, type BudgetStats, type Claim, type SlotLocks, SlotsDeniedError } from './slotLocks.js';
import { Slots } from './slots.js';
import type { WaitQueue } from './waitQueue.js';

/** How often a hungry pool tries to take a free slot: below an equal part, and above it while a census gives it more. Up to as much is added. */
const TAKE_EVERY_MS = 50;
const TAKE_RARELY_MS = 250;
/** How often slots are requested for connections without a caller, while slots are short. */
const NOT_URGENT_MS = 5_000;
/** Reserved slots that were not needed for this long are given back. */
const UNNEEDED_MS = 1_000;

const NEVER = Number.POSITIVE_INFINITY;

interface Parts<C extends object> {
  readonly connections: Connections<C>;
  readonly queue: WaitQueue<C>;
  readonly checkout: Checkout<C>;
  readonly maintenance: Maintenance<C>;
}

/** The work of a budget on a connection between two uses. */
type Question<C> = Exclude<Claim<C>, 'close'>;

/**
 * A pool's part in a budget of several processes. It takes a slot before each connect. When callers wait and no slot is free, it
 * shows hunger. When others are hungry, it closes connections for them (`fleet/shares.ts` says how many). All statements run on a
 * connection between two uses, as part of a check.
 */
export class Budget<C extends object> implements Admission<C> {
  readonly #context: Context<C>;
  readonly #parts: Parts<C>;
  readonly #locks: SlotLocks<C>;
  readonly #slots: Slots<C>;
  readonly #alarm: Alarm;
  readonly #shortage: Shortage<C>;
  readonly #hunger: Hunger<C>;
  readonly #joining: Joining<C>;
  readonly #schedule: BudgetSchedule;
  #isOff = false;
  /** Connections that the pool needs and has no slot for. */
  #wanted = 0;
  /** The same, as requested by the opener in this run of the loop. */
  #asked = 0;
  /** Whether callers wait for some of them. */
  #isUrgent = false;
  /** Since when some are needed while no connection was free to run a statement on. */
  #wantedSince = NEVER;
  /** When the pool last needed any. */
  #neededAt = Number.NEGATIVE_INFINITY;
  /** The connection on which a statement is running. */
  #asking: PoolEntry<C> | undefined;

  /** @returns `undefined`, after a warning, when the driver has no locks */
  static join<C extends object>(context: Context<C>, parts: Parts<C>): Budget<C> | undefined {
    const { connector, runtime, events } = context;
    const member = Math.floor(runtime.random() * 2 ** 31);
    if (connector.slotLocks) return new Budget(context, parts, connector.slotLocks(member), member);
    events.warn({ code: 'TENURE_BUDGET_OFF', message: budgetOff('the driver of this pool has no advisory locks') });
    return undefined;
  }

  private constructor(context: Context<C>, parts: Parts<C>, locks: SlotLocks<C>, member: number) {
    this.#context = context;
    this.#parts = parts;
    this.#locks = locks;
    this.#slots = new Slots();
    this.#schedule = new BudgetSchedule(context.runtime);
    this.#alarm = new Alarm(context.runtime);
    this.#alarm.onRing(() => this.#ring());
    this.#shortage = new Shortage(context, parts, this.#slots, { locks, member, changed: () => this.#granted() });
    this.#hunger = new Hunger(this.#slots, locks);
    const shared = { slots: this.#slots, locks, shortage: this.#shortage, hunger: this.#hunger };
    this.#joining = new Joining(context, { ...parts, ...shared });
    const { budget } = context.policy;
    if (budget !== 'auto') this.#shortage.setLimit(budget);
  }

  get stats(): BudgetStats | undefined {
    if (this.#isOff) return undefined;
    return {
      limit: this.#shortage.limit ?? null,
      slots: this.#slots.held,
      guests: this.#slots.guests,
      hungry: this.#hunger.isOn,
      members: this.#shortage.members ?? null,
    };
  }

  get shortage(): string | undefined {
    const { budgetStrict } = this.#context.policy;
    return this.#shortage.isOn && this.stats ? budgetShortage(this.stats, budgetStrict) : undefined;
  }

  admit(wanted: number, now: number): number {
    if (this.#isOff) return wanted;
    const { ready } = this.#slots;
    const joining = ready === 0 && this.#joining.mayOpen(now) ? 1 : 0;
    const admitted = Math.min(wanted, ready + joining);
    this.#asked = wanted - admitted;
    return admitted;
  }

  admitToAsk(now: number): boolean {
    return this.#isOff || this.#slots.ready > 0 || (!this.#slots.isJoining && now >= this.#joining.mayFrom);
  }

  begin(entry: PoolEntry<C>): void {
    if (!this.#isOff) this.#slots.begin(entry);
  }

  gone(entry: PoolEntry<C>): void {
    if (this.#isOff) return;
    this.#slots.gone(entry);
    this.#hunger.lost(entry);
    this.#shortage.fit();
  }

  stop(): void {
    this.#isOff = true;
    this.#alarm.cancel();
  }

  ran(now: number): void {
    if (this.#isOff) return;
    const callers = this.#callersLacking;
    const needed = Math.max(0, callers, this.#asked);
    this.#asked = 0;
    this.#isUrgent = callers > 0;
    if (needed > 0) this.#neededAt = now;
    if (!this.#isUrgent) this.#hunger.fade(now);
    else if (this.#hunger.isOn) this.#hunger.begin();
    const before = this.#wanted;
    this.#wanted = Math.max(0, needed - this.#slots.ready);
    if (this.#wanted === 0) {
      this.#wantedSince = NEVER;
      this.#slots.isJoinDue = false;
    } else if (before === 0) {
      this.#wantedSince = now;
      this.#act(now);
    } else {
      // The pool's last connection may just have gone, with no other on which a statement could run.
      this.#alarm.setFor(Math.max(now, this.#patientUntil), now);
    }
  }

  claim(entry: PoolEntry<C>, now: number): Claim<C> | undefined {
    if (this.#isOff) return undefined;
    this.#shortage.noteUse(now);
    if (this.#parts.queue.length === 0) this.#becomesIdle(now);
    // A connection that has just been opened serves a caller, who then needs no other.
    if (this.#isUrgent) this.#wanted = Math.max(0, Math.min(this.#wanted, this.#callersLacking - this.#slots.ready));
    if (this.#slots.isForfeit(entry)) return 'close';
    if (this.#locks.mayHaveLost(entry.connection)) this.#slots.suspect(entry);
    return this.#isFleetsTurn(now) || this.#hasDuty(entry, now) ? this.#question(entry) : undefined;
  }

  async setUp(entry: PoolEntry<C>, connection: C, signal: AbortSignal): Promise<void> {
    if (this.#isOff) return;
    try {
      const obstacle = await this.#joining.survey(connection, signal);
      if (obstacle) return this.#turnOff(obstacle);
      await this.#joining.enter(entry, connection, signal);
    } catch (error) {
      if (!(error instanceof SlotsDeniedError)) throw error;
      this.#turnOff(error.message);
    } finally {
      this.#act(this.#context.runtime.now());
    }
  }

  /** Connections that callers lack. One that is busy with a statement of the budget counts as lacking, since it is not about to serve them. */
  get #callersLacking(): number {
    const { connections, queue } = this.#parts;
    const lacking =
      queue.length - connections.expected - connections.opening + (this.#asking?.kind === 'checking' ? 1 : 0);
    return Math.min(queue.length, lacking, this.#context.policy.maxConnections - connections.size);
  }

  /** Whether a statement about the fleet is due, which may run on any connection. */
  #isFleetsTurn(now: number): boolean {
    return now >= this.#dueAt && this.#asking?.kind !== 'checking';
  }

  /** Whether a statement on this connection is due. */
  #hasDuty(entry: PoolEntry<C>, now: number): boolean {
    return now >= this.#slots.dutyAt(entry) || this.#hunger.isToHideOn(entry);
  }

  /** When the next statement is due that may run on any connection. */
  get #dueAt(): number {
    // A guest takes its own slot first.
    const takeAt = this.#wanted > 0 && this.#slots.guests === 0 ? this.#schedule.takeAt : NEVER;
    return Math.min(takeAt, this.#schedule.askAt, this.#schedule.auditAt);
  }

  /** When the pool stops waiting for a connection to come back on which it could run its statements. */
  get #patientUntil(): number {
    return this.#joining.patientUntil(this.#wanted === 0 ? NEVER : this.#wantedSince);
  }

  /** Called when a connection is about to become idle. The last caller in line was perhaps served by a return, after which `ran` is not called. */
  #becomesIdle(now: number): void {
    this.#hunger.fade(now);
    this.#alarm.setFor(Math.min(this.#dueAt, this.#shortage.lendsAt(now, this.#hunger.isOn), this.#hunger.until), now);
  }

  #question(entry: PoolEntry<C>): Question<C> {
    const isFleets = this.#isFleetsTurn(this.#context.runtime.now());
    if (isFleets) this.#asking = entry;
    return async (connection, signal) => {
      try {
        await this.#ask(entry, connection, isFleets, signal);
      } catch (error) {
        if (!(error instanceof SlotsDeniedError)) throw error;
        this.#turnOff(error.message);
      } finally {
        if (this.#asking === entry) this.#asking = undefined;
        const { runtime, loop } = this.#context;
        loop.request(runtime.now());
        this.#act(runtime.now());
      }
    };
  }

  /** Runs all statements that are due on one connection between two uses. */
  async #ask(entry: PoolEntry<C>, connection: C, isFleets: boolean, signal: AbortSignal): Promise<void> {
    const { runtime } = this.#context;
    const slots = this.#slots;
    const schedule = this.#schedule;
    // A caller that comes from now on waits for this statement, and not for a slot.
    const isLacking = this.#wanted > 0;
    if (!slots.has(entry)) return;
    const isGuestsTurn = slots.isGuest(entry) && runtime.now() >= slots.dutyAt(entry);
    const handedOver = slots.takeHandedOver(entry);
    if (handedOver.length > 0) await this.#locks.release(connection, handedOver, signal);
    if (slots.isSuspected(entry) && !(await this.#joining.keep(entry, connection, signal))) return;
    if (this.#hunger.isToHideOn(entry)) await this.#hunger.hide(connection, signal);
    if (isGuestsTurn) await this.#joining.endGuest(entry, connection, signal);
    if (!isFleets) return;
    if (runtime.now() >= schedule.auditAt) {
      schedule.audited();
      await this.#joining.audit(connection, signal);
    }
    if (runtime.now() >= schedule.askAt) {
      schedule.asked();
      await this.#shortage.look(connection, this.#hunger.isOn, signal);
      // The share may be larger now.
      schedule.takeNow();
    }
    if (isLacking && this.#wanted > 0 && slots.guests === 0 && runtime.now() >= schedule.takeAt)
      await this.#takeMore(entry, connection, signal);
  }

  async #takeMore(entry: PoolEntry<C>, connection: C, signal: AbortSignal): Promise<void> {
    const { runtime } = this.#context;
    const shortage = this.#shortage;
    if (shortage.isOn && !this.#isUrgent) return this.#schedule.takeLater(NOT_URGENT_MS);
    const count = Math.min(this.#wanted, shortage.share(runtime.now()));
    const taken = count > 0 ? await shortage.take(entry, connection, count, signal) : 0;
    this.#wantedSince = runtime.now();
    this.#slots.isJoinDue = false;
    shortage.grantMore(taken);
    this.#wanted -= taken;
    if (taken === count && count > 0) {
      // Others are lending. The share that a new census gives is larger.
      if (this.#wanted > 0 && shortage.isOn) this.#schedule.askSoon();
      return;
    }
    shortage.begin();
    if (!this.#isUrgent) return this.#schedule.takeLater(NOT_URGENT_MS);
    if (!this.#hunger.isOn) this.#schedule.askNow();
    this.#hunger.begin();
    await this.#hunger.show(entry, connection, signal);
    // A pool that has its share gets no other until a census says so.
    if (count === 0) this.#schedule.takeAfterCheck();
    else this.#schedule.takeLater(shortage.isBelowShare ? TAKE_EVERY_MS : TAKE_RARELY_MS);
  }

  #granted(): void {
    const { events, channels } = this.#context;
    const budget = this.stats!;
    channels.publish('tenure:budget:change', () => ({ budget }));
    events.emit('budget', budget);
  }

  /** Turns the budget off, because it cannot hold here. */
  #turnOff(reason: string): void {
    if (this.#isOff) return;
    this.stop();
    this.#context.grant(NEVER);
    this.#context.events.warn({ code: 'TENURE_BUDGET_OFF', message: budgetOff(reason) });
  }

  #ring(): void {
    const { runtime } = this.#context;
    const now = runtime.now();
    if (this.#slots.ready > 0 && now - this.#neededAt >= UNNEEDED_MS) this.#slots.handBackReady();
    if (!this.#hunger.isOn) this.#shortage.lend(now);
    // After a blocked event loop, the data of a returned connection often waits in its socket.
    if (now >= this.#patientUntil) afterTwoTurns(runtime, () => this.#joinIfStuck());
    this.#act(now);
  }

  #joinIfStuck(): void {
    const { runtime, loop } = this.#context;
    const now = runtime.now();
    if (this.#isOff || now < this.#patientUntil) return;
    this.#slots.isJoinDue = true;
    this.#shortage.grantMore(1);
    loop.request(now);
    this.#act(now);
  }

  /** Runs due statements on idle connections, and sets the timer for the next one. */
  #act(now: number): void {
    if (this.#isOff) return;
    const { checkout, connections } = this.#parts;
    this.#hunger.tick(now);
    const { held } = this.#slots;
    this.#schedule.watch({ fleet: held > 1 || this.#shortage.isOn, sessions: held > 0 });
    for (const entry of connections.idle.coldestFirst()) {
      if (this.#hasDuty(entry, now)) checkout.ping(entry, this.#question(entry));
    }
    const { bottom } = connections.idle;
    if (bottom && this.#isFleetsTurn(now)) checkout.ping(bottom, this.#question(bottom));
    const moments = [
      // A statement that is due needs an idle connection; `claim` runs it on one that is returned.
      ...(bottom ? [this.#dueAt, this.#shortage.lendsAt(now, this.#hunger.isOn)] : []),
      this.#slots.nextDuty(),
      this.#patientUntil,
      this.#hunger.until,
      this.#slots.ready > 0 ? Math.max(now, this.#neededAt) + UNNEEDED_MS : NEVER,
    ];
    const next = Math.min(...moments.filter((moment) => moment > now));
    if (next < NEVER) this.#alarm.setFor(next, now);
  }
}
