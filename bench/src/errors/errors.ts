import { countConnects } from '@tenure/replay/app/countConnects.js';
import { TAKEN_PERCENT } from '@tenure/replay/database/signUps.js';
import { interleave } from '../figures/interleave.js';
import type { Report } from '../report/report.js';
import { openContenders } from './contenders.js';
import { barsOf, type Figures, tableOf, targetsOf } from './figures.js';
import { runSlice } from './slice.js';

const CALLERS = 50;

/** Measures what errors cost with stock pools, which close a connection after each, and with Tenure's. */
export async function errors(url: string, quick: boolean, progress: (text: string) => void): Promise<Report> {
  const rounds = quick ? 1 : 5;
  const slice = { callers: CALLERS, forMs: quick ? 500 : 1_500 };
  const connects = countConnects();
  const contenders = await openContenders(url);
  const counts = new Map(contenders.map(({ name }) => [name, { opened: 0, requests: 0 }]));
  const rates = await interleave(contenders, rounds, async (contender, isWarmUp) => {
    progress(`${contender.name}${isWarmUp ? ', warming up' : ''}`);
    const openedBefore = connects.opened;
    const { requests, perSecond } = await runSlice(contender, slice);
    const count = counts.get(contender.name)!;
    count.opened += connects.opened - openedBefore;
    count.requests += requests;
    return perSecond;
  });
  await Promise.all(contenders.map((contender) => contender.close()));
  const all = [...counts].map(([name, count]): Figures => ({ name, ...count, perSecond: rates.get(name) ?? [] }));
  return {
    title: 'What errors cost',
    about: [
      `${TAKEN_PERCENT} % of the requests violate a unique key. One process with ${CALLERS} callers on a server of its own, 10 connections at most. ` +
        `Medians of ${rounds} interleaved rounds of ${slice.forMs / 1_000} s; sessions are counted from the start.`,
    ],
    tables: [tableOf(all)],
    plots: [barsOf(all)],
    targets: targetsOf(all),
    figures: { errors: all },
  };
}
