import { setTimeout as sleep } from 'node:timers/promises';
import { builtFile } from '@tenure/replay/output/folders.js';
import { compile } from '@tenure/replay/processes/compile.js';
import { serverCpu } from '@tenure/replay/watch/serverCpu.js';
import pg from 'pg';
import { type AskedProcess, startAsked } from '../askedProcess.js';
import type { Outcome } from '../bench.js';
import { interleave } from '../figures/interleave.js';
import { median } from '../figures/median.js';
import { target } from '../figures/ratio.js';
import type { Report } from '../report/report.js';
import { startServer } from '../server.js';
import type { Figures, Load, Question } from './memberProcess.js';

const SOURCE = new URL('./memberProcess.ts', import.meta.url);
const ROOT = new URL('../../', import.meta.url);
const PROCESSES = 12;
/** Connections of each process, in every load. */
const CONNECTIONS = 3;
/** Long, because the noise of a busy load is larger than the work of the budget. */
const USE_MS = 500;
/** Short, so that all code is compiled before it is measured. */
const WARM_UP_USE_MS = 2;
/** All processes reach equal shares within this time; while there is room, at once. */
const SETTLE_MS = { full: 8_000, room: 2_000 };

const full = { useMs: USE_MS, callers: 2 * CONNECTIONS, settleMs: SETTLE_MS.full } as const;
const room = { useMs: USE_MS, callers: CONNECTIONS, settleMs: SETTLE_MS.room } as const;
const [FULL_WITHOUT, FULL, ROOM_WITHOUT, ROOM, ONE] = [
  'full, without a budget',
  'full',
  'room, without a budget',
  'room',
  'room, one connection each',
] as const;
/** The same connections and callers with and without a budget. In the full budget, each process needs twice as many. */
const LOADS: readonly (Load & { readonly name: string; readonly settleMs: number })[] = [
  { name: FULL_WITHOUT, ...full, budget: 'none', max: CONNECTIONS },
  { name: FULL, ...full, budget: PROCESSES * CONNECTIONS, max: 2 * CONNECTIONS },
  { name: ROOM_WITHOUT, ...room, budget: 'none', max: CONNECTIONS },
  { name: ROOM, ...room, budget: 2 * PROCESSES * CONNECTIONS, max: CONNECTIONS },
  { name: ONE, ...room, callers: 1, budget: 2 * PROCESSES * CONNECTIONS, max: CONNECTIONS },
];

/** The cost of one turn, for each process. */
interface Turn {
  /** Percent of a core. */
  readonly cpu: number;
  readonly serverCpu: number;
  readonly statementsPerMinute: number;
  readonly opened: number;
  readonly fewest: number;
  readonly most: number;
}

type Member = AskedProcess<Question, Figures>;

/** Measures what a budget costs its processes, and their server. */
export async function runBudget(quick: boolean): Promise<Outcome> {
  await using server = await startServer(150);
  const entry = await builtFile('memberProcess.js', ROOT);
  await compile(SOURCE, entry);
  const watcher = new pg.Client({ connectionString: server.url });
  await watcher.connect();
  const cpu = await serverCpu(watcher);
  const members = await Promise.all(
    Array.from({ length: PROCESSES }, (_, index) =>
      startAsked<Question, Figures>(entry, `member ${index + 1}`, [server.url]),
    ),
  );
  const [rounds, forMs] = quick ? [1, 1_000] : [5, 10_000];
  try {
    const turns = await interleave(LOADS, rounds, async ({ name, settleMs, ...begin }, isWarmUp) => {
      console.error(`  ${name}${isWarmUp ? ', warming up' : ''} …`);
      await askAll(members, { begin: isWarmUp ? { ...begin, useMs: WARM_UP_USE_MS } : begin });
      await sleep(quick ? 1_000 : settleMs);
      const before = await cpu.readMs();
      const figures = await askAll(members, { measureMs: isWarmUp ? 500 : forMs });
      const after = await cpu.readMs();
      await askAll(members, { end: true });
      return turnOf(figures, before === null || after === null ? Number.NaN : after - before);
    });
    return { report: reportOf(turns, rounds, forMs), postgres: server.version };
  } finally {
    for (const { stop } of members) stop();
    await watcher.end();
  }
}

function askAll(members: readonly Member[], question: Question): Promise<Figures[]> {
  return Promise.all(members.map(({ ask }) => ask(question)));
}

function turnOf(figures: readonly Figures[], serverCpuMs: number): Turn {
  const sum = (figure: keyof Figures) => figures.reduce((total, one) => total + one[figure], 0);
  const connections = figures.map((one) => one.connections);
  return {
    cpu: (100 * sum('cpuMs')) / sum('ms'),
    serverCpu: (100 * serverCpuMs) / sum('ms'),
    statementsPerMinute: (60_000 * sum('statements')) / sum('ms'),
    opened: sum('opened'),
    fewest: Math.min(...connections),
    most: Math.max(...connections),
  };
}

function reportOf(turns: ReadonlyMap<string, readonly Turn[]>, rounds: number, forMs: number): Report {
  const take = (name: string, figure: keyof Turn) => (turns.get(name) ?? []).map((turn) => turn[figure]);
  const middle = (name: string, figure: keyof Turn) => median(take(name, figure));
  /** The median of the rounds' differences, since only figures of one round were measured side by side. */
  const more = (name: string, without: string, figure: 'cpu' | 'serverCpu') =>
    median(take(name, figure).map((value, round) => value - take(without, figure)[round]!));
  const cpuCells = (name: string, without: string | undefined, figure: 'cpu' | 'serverCpu') => {
    const own = middle(name, figure).toFixed(3);
    if (without === undefined) return [own, '', ''];
    return [own, middle(without, figure).toFixed(3), more(name, without, figure).toFixed(3)];
  };
  const rows = [
    { name: FULL, without: FULL_WITHOUT },
    { name: ROOM, without: ROOM_WITHOUT },
    { name: ONE, without: undefined },
  ];
  const share = more(FULL, FULL_WITHOUT, 'cpu');
  const [alone, besideOpens] = [middle(ONE, 'statementsPerMinute'), middle(ROOM, 'statementsPerMinute')];
  return {
    title: 'A budget for all processes',
    about: [
      `${PROCESSES} processes with ${CONNECTIONS} connections each, whose queries take ${USE_MS} ms. Full: CONN_BUDGET=${PROCESSES * CONNECTIONS}, and twice as many callers as connections, so that all are ` +
        `hungry all the time. Room: CONN_BUDGET=${2 * PROCESSES * CONNECTIONS}, and a connection for each caller. Without: no budget, and the same number of connections by MAX_CONNS.`,
      `Medians of ${rounds} interleaved rounds of ${forMs / 1_000} s, the full ones after ${SETTLE_MS.full / 1_000} s in which the processes come to equal shares. CPU: percent of one core; “more” is the median of the rounds’ differences. ` +
        'The server’s is divided by the processes. Statements: those of the budget; connections opened while it was measured are of all processes and rounds.',
    ],
    tables: [
      {
        title: 'For each process',
        head: [
          '',
          'statements a minute',
          'CPU %',
          'without a budget',
          'more',
          'PostgreSQL CPU %',
          'without a budget',
          'more',
          'connections',
          'opened',
        ],
        rows: rows.map(({ name, without }) => [
          name,
          middle(name, 'statementsPerMinute').toFixed(0),
          ...cpuCells(name, without, 'cpu'),
          ...cpuCells(name, without, 'serverCpu'),
          `${Math.min(...take(name, 'fewest'))} to ${Math.max(...take(name, 'most'))}`,
          String(take(name, 'opened').reduce((sum, opened) => sum + opened, 0)),
        ]),
      },
    ],
    plots: [],
    targets: [
      target(share < 0.1, `Full, CPU of a process: ${share.toFixed(3)} % of a core more (the target is < 0.1)`),
      target(
        alone === 0,
        `Room, statements of a process with one connection in a minute, beside opens: ${alone.toFixed(0)} (the target is 0)`,
      ),
      target(
        besideOpens === 0,
        `Room, statements of a process with ${CONNECTIONS} connections in a minute, beside opens: ${besideOpens.toFixed(0)} (the target is 0)`,
      ),
    ],
    figures: { budget: Object.fromEntries(turns) },
  };
}
