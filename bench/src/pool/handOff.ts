import { interleave } from '../figures/interleave.js';
import { median } from '../figures/median.js';
import { atLeast, ratioOf, times } from '../figures/ratio.js';
import type { Report, Table, Target } from '../report/report.js';
import { startPeers } from './peerProcesses.js';
import { PEERS } from './peers/all.js';
import { bare } from './peers/bare.js';
import { MAX } from './peers/peer.js';

/** Numbers of callers, on a pool that has opened the connections they need: one caller alone never makes a pool open a second connection. */
const LOADS = [
  { callers: 1, open: 1, leasts: { tarn: 6, 'pg-pool': 5, 'generic-pool': 3 } },
  { callers: 1, open: MAX },
  { callers: 10, open: MAX, leasts: { tarn: 6, 'pg-pool': 5, 'generic-pool': 3 } },
  { callers: 100, open: MAX, leasts: { tarn: 4, 'pg-pool': 1.5, 'generic-pool': 1.5 } },
  { callers: 10_000, open: MAX, leasts: { tarn: 4, 'pg-pool': 1.5, 'generic-pool': 1.5 } },
] as const satisfies readonly { callers: number; open: number; leasts?: Record<string, number> }[];

type Nanoseconds = ReadonlyMap<string, readonly number[]>;

interface Measured {
  readonly load: (typeof LOADS)[number];
  readonly ns: Nanoseconds;
}

/** Measures an acquire and a release on a warm pool of stub connections, beside the peers. */
export async function handOff(quick: boolean, progress: (text: string) => void): Promise<Report> {
  const rounds = quick ? 2 : 9;
  const operations = quick ? 10_000 : 20_000;
  const measured: Measured[] = [];
  const peers = await startPeers([...PEERS, bare]);
  try {
    for (const load of LOADS) {
      progress(`acquire and release, ${nameOf(load)}`);
      const ns = await interleave(peers, rounds, ({ cost }) => cost({ ...load, operations }));
      measured.push({ load, ns });
    }
  } finally {
    for (const peer of peers) peer.stop();
  }
  return {
    title: 'The pool alone',
    about: [
      `Stub connections, ${MAX} at most; Tenure with its default policy, health checks on, the peers as they are by default. ` +
        `Each in a process of its own. Medians of ${rounds} interleaved rounds; a ratio is the median of the rounds’ ratios. ` +
        'CPU time, the garbage collector’s included: no one waits for anything here.',
      'One caller opens one connection, and the pool is measured so. The row with ten open is what one caller meets after a burst: the idle timers of ' +
        'the nine others keep alive a list of Node’s that pg-pool else makes and drops again with each release. ' +
        '“No pool” is a promise that is resolved already: what the callers’ own loop costs, which is in all figures.',
    ],
    tables: [tableOf(measured), growthOf(measured)],
    plots: measured.map(({ load, ns }) => ({
      title: `Acquire + release, ${nameOf(load)}`,
      unit: 'CPU nanoseconds, less is better',
      bars: [...ns].map(([name, values]) => ({ name, value: median(values) })),
    })),
    targets: measured.flatMap(targetsOf),
    figures: { handOffNs: measured.map(({ load, ns }) => ({ load, ns: Object.fromEntries(ns) })) },
  };
}

function nameOf({ callers, open }: { callers: number; open: number }): string {
  const who = callers === 1 ? '1 caller' : `${callers.toLocaleString('en')} callers`;
  return open > callers ? `${who}, ${open} open` : who;
}

function tableOf(measured: readonly Measured[]): Table {
  const rows = measured.flatMap(({ load, ns }) =>
    [...ns].map(([name, values]) => [
      nameOf(load),
      name,
      median(values).toFixed(0),
      times(ratioOf(values, ns.get('Tenure') ?? [])),
    ]),
  );
  return { title: 'Acquire + release', head: ['callers', 'pool', 'CPU ns', 'times Tenure'], rows };
}

function targetsOf({ load, ns }: Measured): Target[] {
  if (!('leasts' in load)) return [];
  return Object.entries(load.leasts).map(([name, least]) =>
    atLeast(`${nameOf(load)}: ${name} by Tenure`, ratioOf(ns.get(name) ?? [], ns.get('Tenure') ?? []), least),
  );
}

/** How much the cost of a hand-off grows from a hundred callers in line to ten thousand. */
function growthOf(measured: readonly Measured[]): Table {
  const [few, many] = [100, 10_000].map((callers) => measured.find(({ load }) => load.callers === callers)!.ns);
  const rows = PEERS.map(({ name }) => {
    const [before, after] = [few, many].map((ns) => median(ns?.get(name) ?? []));
    return [name, `${(after! - before!).toFixed(0)} ns`, times(after! / before!)];
  });
  return { title: 'From 100 to 10,000 callers', head: ['pool', 'more per hand-off', 'as a factor'], rows };
}
