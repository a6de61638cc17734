import { setTimeout as sleep } from 'node:timers/promises';
import { emailSource } from '@tenure/replay/database/signUps.js';
import type { Contender } from './contenders.js';

export interface Slice {
  readonly callers: number;
  readonly forMs: number;
}

/** The server ends a session a moment after it was closed. The pause keeps that out of the time of the next contender. */
const SETTLES_MS = 250;

/** The number of requests, and requests per second, of callers side by side for a while. */
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
