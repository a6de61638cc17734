import { onTestFinished } from 'vitest';
import { startLoad } from './load.js';

/** Load that stops when the test ends, even if it fails, unless it was stopped before. */
export function useLoad(concurrency: number, call: () => Promise<unknown>) {
  const load = startLoad(concurrency, call);
  onTestFinished(() => void load.stop());
  return load;
}
