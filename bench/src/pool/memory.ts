import { interleave } from '../figures/interleave.js';
import { median } from '../figures/median.js';
import { atMost, ratioOf, target, times } from '../figures/ratio.js';
import type { Report, Target } from '../report/report.js';
import { type Allocated, allocations } from './allocations.js';
import { heapPerIdle, heapPerWaiter } from './heap.js';
import { PEERS } from './peers/all.js';
import { bare } from './peers/bare.js';
import { MAX } from './peers/peer.js';

type Figures = ReadonlyMap<string, readonly number[]>;

/** Measures what callers in line, idle connections and a warm acquire cost in memory, promises and timers. */
export async function memory(quick: boolean, progress: (text: string) => void): Promise<Report> {
  const rounds = quick ? 2 : 7;
  const waiters = quick ? 2_000 : 20_000;
  const idle = quick ? 200 : 1_000;
  progress(`the heap of ${waiters.toLocaleString('en')} waiters`);
  const perWaiter = await interleave(PEERS, rounds, (kind) => heapPerWaiter(kind, waiters));
  progress(`the heap of ${idle.toLocaleString('en')} idle connections`);
  const perIdle = await interleave(PEERS, rounds, (kind) => heapPerIdle(kind, idle));
  progress('what a warm acquire allocates');
  const allocated = new Map<string, Allocated>();
  for (const kind of [bare, ...PEERS]) allocated.set(kind.name, await allocations(kind, rounds));

  return {
    title: 'The pool alone: memory',
    about: [
      `Heap: live bytes after a forced collection, with ${waiters.toLocaleString('en')} callers in line for ${MAX} connections (the promise that each was given ` +
        `is in it) and with ${idle.toLocaleString('en')} idle stub connections (without the stubs themselves); medians of ${rounds} rounds.`,
      'Allocations of one caller on a warm pool: the growth of the used heap over 5,000 acquires and releases in a young generation so large that nothing is ' +
        'collected meanwhile (a sample in which something was is refused). Promises and timers are counted by async_hooks. What the caller’s own loop costs ' +
        'with a resolved promise and no pool is the first row; of the promises it is taken off, so that the one that is returned is left.',
    ],
    tables: [
      heapTable('Heap per waiter', perWaiter),
      heapTable('Heap per idle connection', perIdle),
      allocationTable(allocated),
    ],
    plots: [
      plotOf('Heap per waiter', 'bytes, less is better', perWaiter),
      plotOf('Heap per idle connection', 'bytes, less is better', perIdle),
      {
        title: 'Allocated per warm acquire + release',
        unit: 'bytes, less is better',
        bars: [...allocated].map(([name, { bytes }]) => ({ name, value: bytes })),
      },
    ],
    targets: [
      atMost(
        'Heap per waiter, Tenure by tarn',
        ratioOf(perWaiter.get('Tenure') ?? [], perWaiter.get('tarn') ?? []),
        1 / 3,
      ),
      ...allocationTargets(allocated.get('Tenure')!),
    ],
    figures: {
      heapPerWaiter: Object.fromEntries(perWaiter),
      heapPerIdle: Object.fromEntries(perIdle),
      allocations: Object.fromEntries(allocated),
    },
  };
}

function heapTable(title: string, figures: Figures) {
  const ours = figures.get('Tenure') ?? [];
  const rows = [...figures].map(([name, bytes]) => [name, median(bytes).toFixed(0), times(ratioOf(bytes, ours))]);
  return { title, head: ['pool', 'bytes', 'times Tenure'], rows };
}

function allocationTable(allocated: ReadonlyMap<string, Allocated>) {
  const rows = [...allocated].map(([name, { bytes, promises, timers }]) => [
    name,
    bytes.toFixed(0),
    promises.toFixed(2),
    timers.toFixed(2),
  ]);
  return { title: 'One warm acquire + release', head: ['pool', 'bytes allocated', 'promises', 'timers'], rows };
}

function plotOf(title: string, unit: string, figures: Figures) {
  return { title, unit, bars: [...figures].map(([name, bytes]) => ({ name, value: median(bytes) })) };
}

function allocationTargets({ promises, timers }: Allocated): Target[] {
  return [
    target(
      promises <= 1,
      `Promises per warm acquire, Tenure: ${promises.toFixed(2)} (the target is ≤ 1, the one returned)`,
    ),
    target(timers === 0, `Timers per warm acquire, Tenure: ${timers.toFixed(2)} (the target is 0)`),
  ];
}
