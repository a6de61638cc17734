import { maintenanceOf, nextMaintenance } from '../lifecycle/retirement.js';
import type { Checkout } from './checkout.js';
import type { Connections, Successors } from './connections.js';
import { isPooler } from './connector.js';
import type { Context } from './context.js';
import type { PoolEntry } from './entry.js';
import type { InFlightCheck } from './inFlightCheck.js';
import { leakMessage } from './messages.js';

/** If maintenance is this late, the process did not run, and its connections may have ended meanwhile. */
const LATE_MS = 1_000;

/** The parts of the pool that maintenance works with. */
interface Parts<C extends object> {
  readonly connections: Connections<C>;
  readonly checkout: Checkout<C>;
  readonly successors: Successors<C>;
  readonly inFlight: InFlightCheck<C>;
}

/**
 * The work that only time causes: it closes connections that are expired or not needed, pings those that have been idle for long,
 * and reports leaks. One timer for each pool.
 */
export class Maintenance<C extends object> {
  readonly #context: Context<C>;
  readonly #parts: Parts<C>;

  constructor(context: Context<C>, parts: Parts<C>) {
    this.#context = context;
    this.#parts = parts;
    context.alarm.onRing((dueAt) => this.#ring(dueAt));
    context.clock.onJump((byMs, now) => this.#afterFreeze(byMs, now));
  }

  run(): void {
    const { runtime, loop, alarm } = this.#context;
    const { connections, inFlight } = this.#parts;
    const now = runtime.now();
    for (const entry of connections.idle.coldestFirst()) this.#maintain(entry, now);
    this.#reportLeaks(now);
    loop.request(now);
    inFlight.look(now);
    alarm.setFor(this.#next(now), now);
  }

  stop(): void {
    this.#context.alarm.cancel();
  }

  #ring(dueAt: number): void {
    const now = this.#context.clock.read();
    if (now - dueAt > LATE_MS) this.#parts.checkout.suspectAll('freeze', now);
    this.run();
  }

  /** Called after a freeze: connections are older than the pool's clock shows, and may have ended meanwhile. */
  #afterFreeze(byMs: number, now: number): void {
    const { connections, checkout } = this.#parts;
    for (const entry of connections.entries) entry.ageBy(byMs);
    checkout.suspectAll('freeze', now);
  }

  /**
   * Pings an idle connection. Behind a pooler a ping takes a session from other clients, so it is sent only if `keepaliveMs` was
   * set; TCP keeps the connection to the pooler alive.
   */
  #keepAlive(entry: PoolEntry<C>): void {
    const { policy, connector } = this.#context;
    const isDefault = policy.sources.keepaliveMs.from === 'default';
    if (!isDefault || !isPooler(connector.pooler?.())) this.#parts.checkout.ping(entry);
  }

  #maintain(entry: PoolEntry<C>, now: number): void {
    const { connections, successors } = this.#parts;
    const action = maintenanceOf(entry, connections.facts, this.#context.policy, now);
    if (action === 'leave') return;
    if (action === 'ping') this.#keepAlive(entry);
    else if (action !== 'rotate') connections.close(entry, action.close);
    else if (successors.takeTurn(entry, now)) connections.close(entry, 'max-age');
  }

  #next(now: number): number {
    const { policy } = this.#context;
    const { connections } = this.#parts;
    const { facts } = connections;
    let next = Number.POSITIVE_INFINITY;
    for (const entry of connections.entries) {
      if (entry.kind === 'idle') next = Math.min(next, nextMaintenance(entry, facts, policy, now));
      if (entry.kind === 'used' && !entry.leakReported) next = Math.min(next, entry.takenAt + policy.leakAfterMs);
    }
    return next;
  }

  #reportLeaks(now: number): void {
    const { policy, events, channels } = this.#context;
    const { connections } = this.#parts;
    for (const entry of connections.entries) {
      if (entry.kind !== 'used' || entry.leakReported || now < entry.takenAt + policy.leakAfterMs) continue;
      entry.leakReported = true;
      const holder = connections.holder(entry, now);
      events.warn({ code: 'TENURE_LEAK', message: leakMessage(holder, policy.leakAfterMs), holders: [holder] });
      channels.publish('tenure:connection:leak', () => ({ holder }));
    }
  }
}
