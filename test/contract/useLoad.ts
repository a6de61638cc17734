import { onTestFinished } from 'vitest';
import { startLoad } from './load.js';

/** Load that stops when the test ends, if nobody has stopped it before: also when the test fails. */
export function useLoad(concurrency: number, call: () => Promise<unknown>) {
  const load = startLoad(concurrency, call);
  onTestFinished(() => void load.stop());
  return load;
}
