import { countConnects } from '@tenure/replay/app/countConnects.js';
import { TAKEN_PERCENT } from '@tenure/replay/database/signUps.js';
import { interleave } from '../interleave.js';
import { render } from '../render.js';
import { openContenders } from './contenders.js';
import { type Figures, rowsOf, targetsOf } from './figures.js';
import { runSlice } from './slice.js';

const SLICE = { callers: 50, forMs: 1_500 };
const ROUNDS = 5;

const ABOUT =
  `${TAKEN_PERCENT} % unique violations, one process with ${SLICE.callers} callers, a server of its own, 10 connections at most. ` +
  `Medians of ${ROUNDS} interleaved rounds of ${SLICE.forMs / 1_000} s.`;

/** What errors cost with stock pools, which close a connection after each, and with Tenure's. */
export async function errors(url: string, progress: (text: string) => void): Promise<string> {
  const connects = countConnects();
  const contenders = await openContenders(url);
  const counts = new Map(contenders.map(({ name }) => [name, { opened: 0, requests: 0 }]));
  const rates = await interleave(contenders, ROUNDS, async (contender, isWarmUp) => {
    progress(`${contender.name}${isWarmUp ? ', warming up' : ''}`);
    const openedBefore = connects.opened;
    const { requests, perSecond } = await runSlice(contender, SLICE);
    const count = counts.get(contender.name)!;
    count.opened += connects.opened - openedBefore;
    count.requests += requests;
    return perSecond;
  });
  await Promise.all(contenders.map((contender) => contender.close()));
  const all = [...counts].map(([name, count]): Figures => ({ name, ...count, perSecond: rates.get(name) ?? [] }));
  return `${ABOUT}\n\n${render(rowsOf(all))}\n${targetsOf(all).join('\n')}\n`;
}
