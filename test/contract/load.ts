/** How one call of a load went. */
export interface Outcome {
  readonly beganAt: number;
  readonly tookMs: number;
  readonly error: unknown;
}

/** Runs `count` calls, `concurrency` at a time. */
export async function runCalls(count: number, concurrency: number, call: () => Promise<unknown>): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  let left = count;
  const caller = async () => {
    while (left-- > 0) outcomes.push(await timed(call));
  };
  await Promise.all(Array.from({ length: concurrency }, caller));
  return outcomes;
}

/** Calls without end, `concurrency` at a time, until `stop`. */
export function startLoad(concurrency: number, call: () => Promise<unknown>) {
  const outcomes: Outcome[] = [];
  let stopped = false;
  const caller = async () => {
    while (!stopped) {
      outcomes.push(await timed(call));
      // Calls that are refused at once would leave no time for anything else in the process.
      await new Promise(setImmediate);
    }
  };
  const callers = Array.from({ length: concurrency }, caller);
  return {
    outcomes,
    async stop(): Promise<void> {
      stopped = true;
      await Promise.all(callers);
    },
  };
}

export function failures(outcomes: readonly Outcome[]): unknown[] {
  return outcomes.filter(({ error }) => error !== undefined).map(({ error }) => error);
}

async function timed(call: () => Promise<unknown>): Promise<Outcome> {
  const beganAt = performance.now();
  const error = await call().then(
    () => undefined,
    (reason) => reason ?? new Error('rejected without a reason'),
  );
  return { beganAt, tookMs: performance.now() - beganAt, error };
}
