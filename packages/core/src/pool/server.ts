import { afterFailure, type ConnectFailures, type FailFast, failFast } from '../lifecycle/backoff.js';
import { afterIncident, FIRST_EPOCH, type Incident, type TrustEpoch } from '../lifecycle/freshness.js';
import { afterSetback, afterSuccess, atOnceNow, type Growth, lateAfterMs, NO_GROWTH } from '../lifecycle/growth.js';
import type { Policy } from '../policy/policy.js';

/** A caller who was refused within this time counts as waiting. */
const REFUSED_LATELY_MS = 1_000;

/** The pool's record of its server: incidents, failed connects, how fast connections may be opened, and what a ping takes. */
export class ServerRecord {
  /** Each incident raises it: connections that last answered in an earlier epoch are pinged before their next use. */
  epoch: TrustEpoch = FIRST_EPOCH;
  /** Why connects fail, while they do. */
  failures: ConnectFailures | undefined;
  /** Duration of the last ping that was answered. */
  roundTripMs = 0;
  #growth: Growth = NO_GROWTH;
  /** When a connection last ended before it was of use. */
  #endedEarlyAt = Number.NEGATIVE_INFINITY;
  /** When a caller was last refused at once. */
  #refusedAt = Number.NEGATIVE_INFINITY;

  /** @returns whether this incident raises the epoch: many connections report the same one */
  raiseEpoch(incident: Incident, policy: Policy, now: number): boolean {
    const epoch = afterIncident(this.epoch, incident, policy, now);
    if (epoch === this.epoch) return false;
    this.epoch = epoch;
    return true;
  }

  /** Called when a connect has succeeded. */
  connected(requestedAt: number, tookMs: number, now: number): void {
    // A connect that was under way when another connection ended early proves nothing: it may be the next to end.
    if (requestedAt <= this.#endedEarlyAt) return;
    this.failures = undefined;
    this.#growth = afterSuccess(this.#growth, tookMs, this.epoch, now);
  }

  /** Called when a connect has failed. */
  connectFailed(
    failure: { readonly kind: ConnectFailures['kind']; readonly error: unknown; readonly beganAt: number },
    now: number,
    random: number,
  ): void {
    this.failures = afterFailure(this.failures, failure, now, random);
    this.#growth = afterSetback(this.#growth);
  }

  /** Called when a connection ended as soon as it was open. */
  endedEarly(now: number): void {
    this.#endedEarlyAt = now;
  }

  /** Called when another pool has found this server full. */
  foundFull(error: unknown, now: number, random: number): void {
    this.failures = afterFailure(this.failures, { kind: 'full', error, beganAt: now }, now, random);
  }

  /** Called when a full server has a free slot again: the next attempt need not wait. */
  madeRoom(): void {
    if (this.failures?.kind === 'full') this.failures = undefined;
  }

  /** Called when a caller was refused at once. More callers are likely, so the server is tried as if they waited. */
  refused(now: number): void {
    this.#refusedAt = now;
  }

  /** Whether callers were refused since connects began to fail, and whether that was lately. */
  refusals(now: number): { readonly hasRefused: boolean; readonly hasRefusedLately: boolean } {
    return {
      hasRefused: this.failures?.kind === 'transient' && this.#refusedAt >= this.failures.since,
      hasRefusedLately: now - this.#refusedAt < REFUSED_LATELY_MS,
    };
  }

  /** Whether and why a caller who would wait this long waits in vain. */
  failFast(open: number, waitMs: number, policy: Policy, now: number): FailFast | undefined {
    return this.failures && failFast(this.failures, open, waitMs, policy, now);
  }

  /** Connects that may be under way at once. */
  atOnce(now: number): number {
    return atOnceNow(this.#growth, this.epoch, now);
  }

  /** How long a connect may take until it is late. */
  get lateAfterMs(): number {
    return lateAfterMs(this.#growth);
  }
}
