type Task = () => unknown;

/** Tasks that undo what was done, at any kind of end: last done, first undone. */
export class Cleanup {
  readonly #tasks: Task[] = [];
  #run: Promise<void> | undefined;

  defer(task: Task): void {
    this.#tasks.push(task);
  }

  get begun(): boolean {
    return this.#run !== undefined;
  }

  /** Runs once; later calls wait for the first. A task that fails does not stop the others. */
  run(): Promise<void> {
    this.#run ??= this.#runAll();
    return this.#run;
  }

  async #runAll(): Promise<void> {
    const failures: unknown[] = [];
    for (let task = this.#tasks.pop(); task; task = this.#tasks.pop()) {
      try {
        await task();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'Not everything could be removed.');
  }
}
