/**
 * The one place that brings callers and connections together after an event. Each part requests a run when an event may let a caller be served
 * or a connection be opened; an event during a run gets a run of its own afterwards, never in the middle of the current one.
 */
export class RunLoop {
  #run: ((now: number) => void) | undefined;
  #isRunning = false;
  #nextAt: number | undefined;

  /** From now on requests are carried out. */
  start(run: (now: number) => void): void {
    this.#run = run;
  }

  request(now: number): void {
    this.#nextAt = now;
    if (this.#isRunning || this.#run === undefined) return;
    this.#isRunning = true;
    try {
      while (this.#nextAt !== undefined) {
        const at: number = this.#nextAt;
        this.#nextAt = undefined;
        this.#run(at);
      }
    } finally {
      this.#isRunning = false;
    }
  }
}
