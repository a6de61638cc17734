import { median } from '../figures/median.js';
import { atLeast, atMost, ratioOf, times } from '../figures/ratio.js';
import type { Bars, Table, Target } from '../report/report.js';
import { FAMILIES, FAMILY_KEYS, type Name } from './names.js';
import type { Figures } from './slice.js';
import { WORKLOAD_KEYS, WORKLOADS, type WorkloadKey } from './workloads.js';

/** The rounds of each contender. */
export type Rounds = ReadonlyMap<string, readonly Figures[]>;
export type Measured = Readonly<Record<WorkloadKey, Rounds>>;

type Figure = keyof Figures;

/** The rounds of several runs, one after the other. */
export function together(runs: readonly Measured[]): Measured {
  const roundsOf = (key: WorkloadKey): Rounds => {
    const names = [...(runs[0]?.[key].keys() ?? [])];
    return new Map(names.map((name) => [name, runs.flatMap((run) => run[key].get(name) ?? [])]));
  };
  return Object.fromEntries(WORKLOAD_KEYS.map((key) => [key, roundsOf(key)])) as Record<WorkloadKey, Rounds>;
}

const HEAD = ['through', '', 'operations/s', 'times stock', 'client CPU µs/op', 'PostgreSQL CPU µs/op', 'times stock'];

export function tablesOf(measured: Measured): Table[] {
  return WORKLOAD_KEYS.map((key) => {
    const { title, story } = WORKLOADS[key];
    return { title: `${title}: ${story}`, head: HEAD, rows: rowsOf(measured[key]) };
  });
}

function rowsOf(rounds: Rounds): string[][] {
  return FAMILY_KEYS.flatMap((family) => {
    const [stock] = FAMILIES[family];
    return FAMILIES[family].map((name) => [
      family,
      name,
      median(take(rounds, name, 'perSecond')).toFixed(0),
      times(ratio(rounds, name, stock, 'perSecond')),
      median(take(rounds, name, 'clientCpu')).toFixed(0),
      microseconds(median(take(rounds, name, 'serverCpu'))),
      times(ratio(rounds, name, stock, 'serverCpu')),
    ]);
  });
}

export function barsOf(measured: Measured): Bars[] {
  return WORKLOAD_KEYS.flatMap((key) => {
    const { title } = WORKLOADS[key];
    return [
      barsFor(measured[key], 'perSecond', title, 'operations/s, more is better'),
      barsFor(measured[key], 'serverCpu', title, 'PostgreSQL CPU, µs per operation, less is better'),
    ];
  });
}

function barsFor(rounds: Rounds, figure: Figure, title: string, unit: string): Bars {
  const names = FAMILY_KEYS.flatMap((family): readonly Name[] => FAMILIES[family]);
  return { title, unit, bars: names.map((name) => ({ name, value: median(take(rounds, name, figure)) })) };
}

/** Targets: throughput of at least this much, and PostgreSQL's CPU time of at most this much. */
export function targetsOf(measured: Measured): Target[] {
  const fast = (key: WorkloadKey, ours: Name, theirs: Name, least: number) =>
    atLeast(
      `${WORKLOADS[key].title}, operations/s: ${ours} by ${theirs}`,
      ratio(measured[key], ours, theirs, 'perSecond'),
      least,
    );
  const light = (key: WorkloadKey, ours: Name, theirs: Name, most: number) =>
    atMost(
      `${WORKLOADS[key].title}, PostgreSQL CPU: ${ours} by ${theirs}`,
      ratio(measured[key], ours, theirs, 'serverCpu'),
      most,
    );
  const writes = ['insert', 'transaction'] as const;
  return [
    ...(['lookup', 'join'] as const).map((key) => fast(key, 'Tenure Pool', 'raw clients, named', 0.9)),
    fast('join', 'Knex + Tenure', 'Knex', 1.6),
    fast('lookup', 'Knex + Tenure', 'Knex', 1.2),
    fast('lookup', 'Knex + Tenure', 'Knex + select 1', 1.6),
    ...writes.flatMap((key) => [fast(key, 'Tenure Pool', 'pg.Pool', 0.97), fast(key, 'Knex + Tenure', 'Knex', 0.97)]),
    ...WORKLOAD_KEYS.map((key) => fast(key, 'Prisma + Tenure', 'Prisma', key === 'join' ? 1.05 : 0.97)),
    light('lookup', 'Knex + Tenure', 'Knex', 0.6),
    light('join', 'Knex + Tenure', 'Knex', 0.6),
    light('join', 'Prisma + Tenure', 'Prisma', 0.75),
  ];
}

/** What prepared writes would gain: the price of the default. */
export function priceTable(measured: Measured): Table {
  const pairs = [
    ['Tenure Pool', 'Tenure Pool, writes too'],
    ['Knex + Tenure', 'Knex + Tenure, writes too'],
  ] as const;
  const rows = (['insert', 'transaction'] as const).flatMap((key) =>
    pairs.map(([ours, prepared]) => [
      WORKLOADS[key].title,
      ours,
      times(ratio(measured[key], ours, prepared, 'perSecond')),
      times(ratio(measured[key], ours, prepared, 'serverCpu')),
    ]),
  );
  return {
    title: 'What writes lose by not being prepared, which is the default: against CONN_STATEMENTS_WRITES=true',
    head: ['', 'through', 'operations/s', 'PostgreSQL CPU'],
    rows,
  };
}

function ratio(rounds: Rounds, ours: Name, theirs: Name, figure: Figure): number {
  return ratioOf(take(rounds, ours, figure), take(rounds, theirs, figure));
}

function take(rounds: Rounds, name: Name, figure: Figure): number[] {
  const figures = rounds.get(name);
  if (!figures) throw new Error(`${name} did not run.`);
  return figures.map((round) => round[figure]);
}

function microseconds(figure: number): string {
  return Number.isFinite(figure) ? figure.toFixed(0) : 'n/a';
}
