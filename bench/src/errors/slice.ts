import { setTimeout as sleep } from 'node:timers/promises';
import { emailSource } from '@tenure/replay/database/signUps.js';
import type { Contender } from './contenders.js';

export interface Slice {
  readonly callers: number;
  readonly forMs: number;
}

/** The server ends sessions a moment after they were closed: not in the time of the next contender. */
const SETTLES_MS = 250;

/** Requests per second of callers side by side, for a while; also how many there were. */
export async function runSlice(
  { signUp }: Contender,
  { callers, forMs }: Slice,
): Promise<{ requests: number; perSecond: number }> {
  const nextEmail = emailSource();
  let requests = 0;
  const start = performance.now();
  const caller = async () => {
    while (performance.now() - start < forMs) {
      await signUp(nextEmail());
      requests++;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  const perSecond = requests / ((performance.now() - start) / 1_000);
  await sleep(SETTLES_MS);
  return { requests, perSecond };
}
