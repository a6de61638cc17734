import type { Runtime } from './clock.js';

/** How often a pool checks whether any member is hungry, and counts the fleet while one is. A random part of up to a quarter is subtracted. */
const ASK_EVERY_MS = 1_000;
/** The same, for a pool that gets slots from others. */
const SOON_MS = 200;
/** How often the slots of all sessions are checked. A random part of up to a quarter is subtracted. */
const AUDIT_EVERY_MS = 60_000;

const NEVER = Number.POSITIVE_INFINITY;

/** When a pool next queries the server. The moments are random within limits, so that the processes of a fleet do not all query at once. */
export class BudgetSchedule {
  readonly #runtime: Runtime;
  #takeAt = Number.NEGATIVE_INFINITY;
  #askAt = NEVER;
  #auditAt = NEVER;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** When to request a slot that the pool needs. */
  get takeAt(): number {
    return this.#takeAt;
  }

  /** When to check whether any member is hungry. */
  get askAt(): number {
    return this.#askAt;
  }

  /** When to check whether the pool's sessions still hold their slots. */
  get auditAt(): number {
    return this.#auditAt;
  }

  takeNow(): void {
    this.#takeAt = Number.NEGATIVE_INFINITY;
  }

  /** @param afterMs the shortest time; the longest is twice that */
  takeLater(afterMs: number): void {
    this.#takeAt = this.#runtime.now() + afterMs * (1 + this.#runtime.random());
  }

  /** No slot is requested before the next check of the fleet, after which `takeNow` is called. */
  takeAfterCheck(): void {
    this.#takeAt = NEVER;
  }

  askNow(): void {
    this.#askAt = this.#runtime.now();
  }

  askSoon(): void {
    this.#askAt = Math.min(this.#askAt, this.#runtime.now() + SOON_MS);
  }

  asked(): void {
    this.#askAt = this.#after(ASK_EVERY_MS);
  }

  audited(): void {
    this.#auditAt = this.#after(AUDIT_EVERY_MS);
  }

  /** Sets which checks are due from now on. A check that was due before keeps its time. */
  watch({ fleet, sessions }: { readonly fleet: boolean; readonly sessions: boolean }): void {
    if (!fleet) this.#askAt = NEVER;
    else if (this.#askAt === NEVER) this.asked();
    if (!sessions) this.#auditAt = NEVER;
    else if (this.#auditAt === NEVER) this.audited();
  }

  #after(ms: number): number {
    return this.#runtime.now() + ms * (1 - this.#runtime.random() / 4);
  }
}
