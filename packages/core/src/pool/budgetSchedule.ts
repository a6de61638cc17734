import type { Runtime } from './clock.js';

/** How often a pool asks whether anyone is hungry, and counts the fleet while someone is. Less up to a quarter. */
const ASK_EVERY_MS = 1_000;
/** How often all sessions are checked for their slots. Less up to a quarter. */
const AUDIT_EVERY_MS = 60_000;

const NEVER = Number.POSITIVE_INFINITY;

/** When a pool asks the server next. Drawn at random within limits, so that the processes of a fleet do not all ask at one moment. */
export class BudgetSchedule {
  readonly #runtime: Runtime;
  #takeAt = Number.NEGATIVE_INFINITY;
  #askAt = NEVER;
  #auditAt = NEVER;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** For a slot that the pool wants. */
  get takeAt(): number {
    return this.#takeAt;
  }

  /** Whether anyone in the fleet is hungry. */
  get askAt(): number {
    return this.#askAt;
  }

  /** Whether the pool's sessions still hold their slots. */
  get auditAt(): number {
    return this.#auditAt;
  }

  takeNow(): void {
    this.#takeAt = Number.NEGATIVE_INFINITY;
  }

  /** @param afterMs at least; at most twice that */
  takeLater(afterMs: number): void {
    this.#takeAt = this.#runtime.now() + afterMs * (1 + this.#runtime.random());
  }

  askNow(): void {
    this.#askAt = this.#runtime.now();
  }

  asked(): void {
    this.#askAt = this.#after(ASK_EVERY_MS);
  }

  audited(): void {
    this.#auditAt = this.#after(AUDIT_EVERY_MS);
  }

  /** Says what is asked from now on. What goes on keeps its time. */
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
